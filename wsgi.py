"""Entry point for gunicorn (`wsgi:app`) and the `flask` command.

Gunicorn's gevent worker patches the standard library before this module is imported; the `flask`
command and the job worker run unpatched, on threads.
"""

from app import create_app

app = create_app()
