"""The Django project: settings, root urls and the WSGI application."""
