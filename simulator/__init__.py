"""A stand-in for Salesforce Live Agent that speaks its Chat REST API.

Start it with ``python -m simulator``. It plays Salesforce's side strictly,
counts every breach of the protocol, and is led through a JSON control API
(``/simulator/``) or by a person at the agent's page (``/``).
"""
