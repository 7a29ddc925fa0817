"""What the tests stand on: processes, databases, a service, a bot, Salesforce."""
