#!/usr/bin/python3
"""Programs over GnuTLS and NSS: the same guard as over OpenSSL."""
from harness import main
from test_clients import blocked, within_budget


def case_within_budget_gnutls(box):
    within_budget(box, 'libcurl-gnutls')


def case_blocked_gnutls(box):
    blocked(box, 'libcurl-gnutls')


def case_within_budget_nss(box):
    within_budget(box, 'libcurl-nss')


def case_blocked_nss(box):
    blocked(box, 'libcurl-nss')


if __name__ == '__main__':
    main(globals())
