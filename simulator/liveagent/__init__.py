"""Salesforce Live Agent, as its Chat REST API shows it to a visitor's client."""
