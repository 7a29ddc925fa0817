"""What does the service look like over HTTP?"""
