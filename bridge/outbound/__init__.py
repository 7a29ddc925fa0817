"""How do calls leave this process?"""
