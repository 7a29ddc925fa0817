"""The tests of the bridge and of the simulator."""
