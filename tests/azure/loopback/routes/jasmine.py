"""tbd"""
from ..routing import Routes
from .. import names
routes = Routes(names.API_HOST)
