"""Stand-ins for the outside parties that the service talks to.

Start them with ``python -m simulator``. ``simulator.liveagent`` plays Salesforce
Live Agent strictly, counts every breach of the protocol, and is led through a JSON
control API (``/simulator/``) or by a person at the agent's page (``/``). What lies
beside it is common to all: how faults strike, switches turn, pages are served. It
imports nothing of a stand-in, and no stand-in another.
"""
