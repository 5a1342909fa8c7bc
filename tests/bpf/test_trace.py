#!/usr/bin/python3
"""The tracer as a program: attached to programs in mid-life."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                'lib'))
from live import Client, Tracer, eq, main, request  # noqa: E402


def case_requests(box):
    with Client(box, 'requests') as c:
        c.send(request())
        with Tracer(box, pid=c.pid) as t:
            c.send(request(test='in=11;out=7'), request(test='in=3;out=2'))
            rows = t.rows(2)
    eq([(r['input_tokens'], r['output_tokens']) for r in rows],
       [(11, 7), (3, 2)], 'what --json printed')
    eq([(r['input_tokens'], r['output_tokens']) for r in box.rows()],
       [(11, 7), (3, 2)], 'the ledger')


main(globals())
