"""How does the service stand, and what is an operator told?"""
