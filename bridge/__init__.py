"""The bridge between a LINE bot and Salesforce Live Agent."""
