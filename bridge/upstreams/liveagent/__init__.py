"""How is Live Agent's Chat REST API spoken?"""
