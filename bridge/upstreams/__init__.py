"""Who speaks to Salesforce?"""
