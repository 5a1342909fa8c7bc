#!/usr/bin/python3
"""Runs Python tests by name; writes {test: result} as JSON to the file given.

  unittests.py FILE NAME...
"""
import json
import sys
import unittest

out = {}


class Result(unittest.TextTestResult):
    def note(self, test, word):
        # A failed subtest or a failed tearDown stays failed.
        if out.get(test.id(), 'ok') in ('ok', 'skip'):
            out[test.id()] = word

    def addSuccess(self, test):
        super().addSuccess(test)
        self.note(test, 'ok')

    def addSkip(self, test, reason):
        super().addSkip(test, reason)
        self.note(test, 'skip')

    def addError(self, test, err):
        super().addError(test, err)
        self.note(test, 'error')

    def addFailure(self, test, err):
        super().addFailure(test, err)
        self.note(test, 'fail')

    def addExpectedFailure(self, test, err):
        super().addExpectedFailure(test, err)
        self.note(test, 'expected failure')

    def addUnexpectedSuccess(self, test):
        super().addUnexpectedSuccess(test)
        self.note(test, 'unexpected success')

    def addSubTest(self, test, subtest, err):
        super().addSubTest(test, subtest, err)
        if err is not None:
            out[test.id()] = 'fail'


if __name__ == '__main__':
    try:
        unittest.TextTestRunner(resultclass=Result, verbosity=2).run(
            unittest.defaultTestLoader.loadTestsFromNames(sys.argv[2:]))
    finally:
        with open(sys.argv[1], 'w') as f:
            json.dump(out, f)
