"""Leads every https connection of a Python program to the test server.

It stands for an entry in /etc/hosts: names resolve to 127.0.0.1, port 443
becomes $TEST_PORT. Nothing of http or ssl is touched.
"""
import importlib.util
import os
import socket
import sys

_port = os.environ.get('TEST_PORT')
if _port:
    _real = socket.getaddrinfo

    def _to_test_server(host, port, *args, **kw):
        if port in (443, '443', 'https'):
            return _real('127.0.0.1', int(_port), *args, **kw)
        return _real(host, port, *args, **kw)
    socket.getaddrinfo = _to_test_server

    def _patch(base_events):
        """anyio resolves by itself and then connects to port 443."""
        loop = base_events.BaseEventLoop
        create = loop.create_connection

        def create_connection(self, factory, host=None, port=None, **kw):
            if port == 443:
                port = int(_port)
            return create(self, factory, host, port, **kw)
        loop.create_connection = create_connection

    class _WhenAsyncioComes:
        def find_spec(self, name, path, target=None):
            if name != 'asyncio.base_events':
                return None
            sys.meta_path.remove(self)
            spec = importlib.util.find_spec(name)
            run = spec.loader.exec_module

            def exec_module(module):
                run(module)
                _patch(module)
            spec.loader.exec_module = exec_module
            return spec
    sys.meta_path.insert(0, _WhenAsyncioComes())
