"""How fast, how small and how safe is the service under load? See `make bench`."""
