"""How is it known from outside what this process does?"""
