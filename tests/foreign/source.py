"""Debian's source packages, fetched and unpacked below build/foreign."""
import glob
import os
import subprocess

from guards import TOP

ROOT = os.environ.get('FOREIGN_DIR') or os.path.join(TOP, 'build/foreign')
KEYS = '/usr/share/keyrings/debian-archive-keyring.gpg'
LINES = ''.join('deb-src [signed-by=%s] http://deb.debian.org/%s main\n' % (
    KEYS, s) for s in ('debian bookworm', 'debian-security bookworm-security'))


class Missing(Exception):
    """What a suite needs is not here; the reason."""


def apt(*argv):
    """apt-get with source lines of its own: the machine's stay as they are."""
    d = os.path.join(ROOT, 'apt')
    for sub in ('lists/partial', 'cache/archives/partial'):
        os.makedirs(os.path.join(d, sub), exist_ok=True)
    with open(os.path.join(d, 'sources.list'), 'w') as f:
        f.write(LINES)
    opt = ['Dir::Etc::sourcelist=%s/sources.list' % d,
           'Dir::Etc::sourceparts=-', 'Dir::State::lists=%s/lists' % d,
           'Dir::Cache=%s/cache' % d, 'APT::Sandbox::User=root']
    return subprocess.run(['apt-get', '-q'] + sum((['-o', o] for o in opt), []) +
                          list(argv), stdout=subprocess.PIPE, text=True,
                          stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
                          cwd=os.path.join(ROOT, 'src'))


def fetch(package, pattern):
    """The unpacked upstream source: a mirror may lack Debian's own part of
    the newest version, its tests are upstream's all the same."""
    src = os.path.join(ROOT, 'src')
    os.makedirs(src, exist_ok=True)
    tars = os.path.join(src, '%s_*.orig.tar.*z' % package)
    if not glob.glob(tars):
        if not glob.glob(os.path.join(ROOT, 'apt/lists/*Sources*')):
            apt('update')
        log = apt('--download-only', 'source', package).stdout
        if not glob.glob(tars):
            log = apt('--download-only', '-t', 'bookworm', 'source',
                      package).stdout
        if not glob.glob(tars):
            raise Missing('no source of %s: %s' % (
                package, log.strip().splitlines()[-1:]))
    tar = sorted(glob.glob(tars))[-1]
    got = sorted(glob.glob(os.path.join(src, pattern)))
    if not got:
        subprocess.run(['tar', 'xf', tar], cwd=src, check=True)
        got = sorted(glob.glob(os.path.join(src, pattern)))
    if not got:
        raise Missing('%s has no %s' % (os.path.basename(tar), pattern))
    return got[-1]


def build(name, steps):
    """Run steps once in build/foreign/obj/NAME; its output is kept in log."""
    d = os.path.join(ROOT, 'obj', name)
    os.makedirs(d, exist_ok=True)
    if os.path.exists(os.path.join(d, '.done')):
        return d
    with open(os.path.join(d, 'log'), 'w') as log:
        for argv in steps:
            if subprocess.run(argv, cwd=d, stdout=log, stderr=log,
                              stdin=subprocess.DEVNULL).returncode:
                raise Missing('%s does not build, see %s/log' % (name, d))
    open(os.path.join(d, '.done'), 'w').close()
    return d
