"""The ways in which a foreign suite is run: bare, and under several guards."""
import os
import shutil
import subprocess
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))
BUILD = os.path.join(TOP, os.environ.get('B', 'build'))
SHIM = os.path.join(BUILD, 'libllmguard.so')

BUDGETS = '''version: 1
patch: auto
budgets:
  - {name: day, scope: global, period: daily, limit_usd: 1, hard: true}
  - {name: strict, scope: global, period: total, limit_usd: 2, hard: true,
     mode: strict}
  - {name: users, scope: "user:*", each: true, period: monthly, limit_usd: 5,
     on_hard: [{action: clamp, min_output_tokens: 16}, block]}
'''
# No test speaks to an LLM host: every byte has to pass as it is. `all` takes
# every host for one, so every connection goes through the engine.
CONFIGS = {
    'guard': BUDGETS + 'plain_http: [localhost]\n',
    'all': BUDGETS + 'plain_http: ["*"]\nhttp2: native\n'
                     'hosts: {"*": openai}\n',
}
CONFIGS['missing'] = CONFIGS['full'] = CONFIGS['guard']
VARIANTS = ('guard', 'missing', 'full', 'all')


class Guard:
    """One variant's state, region, config, and environment."""

    def __init__(self, variant):
        self.variant, self.mount = variant, None
        self.dir = tempfile.mkdtemp(prefix='llmguard-foreign-')
        os.chmod(self.dir, 0o755)
        self.config = os.path.join(self.dir, 'llmguard.yaml')
        self.state = os.path.join(self.dir, 'state')
        self.region = '/dev/shm/' + os.path.basename(self.dir)
        if variant != 'bare':
            with open(self.config, 'w') as f:
                f.write(CONFIGS[variant])
        if variant == 'missing':    # below a file nothing can be made
            self.state = os.path.join(self.config, 'state')
            self.region = os.path.join(self.config, 'region')
        elif variant == 'full':
            self.fill()

    def fill(self):
        """State and region on a file system without a byte left."""
        self.mount = os.path.join(self.dir, 'full')
        os.mkdir(self.mount)
        if subprocess.run(['mount', '-t', 'tmpfs', '-o', 'size=64k', 'none',
                           self.mount], stderr=subprocess.DEVNULL).returncode:
            self.mount = None
            raise PermissionError('no right to mount a small tmpfs')
        self.state = os.path.join(self.mount, 'state')
        self.region = os.path.join(self.mount, 'region')
        try:
            with open(os.path.join(self.mount, 'rest'), 'wb', 0) as f:
                while f.write(bytes(4096)):
                    pass
        except OSError:
            pass

    def env(self, **more):
        e = {k: v for k, v in os.environ.items()
             if not k.startswith(('LLMGUARD_', 'PYTHON', 'NODE_', 'RUBY')) and
             k not in ('LD_PRELOAD', 'B', 'MAKEFLAGS', 'MFLAGS') and
             not k.lower().endswith('_proxy')}
        e['LANG'] = 'C.UTF-8'
        if self.variant != 'bare':
            e.update(LD_PRELOAD=SHIM, LLMGUARD_CONFIG=self.config,
                     LLMGUARD_STATE_DIR=self.state, LLMGUARD_REGION=self.region)
        e.update({k: str(v) for k, v in more.items()})
        return e

    def rows(self):
        """How many rows the guard wrote: proof that it was there."""
        n, folder = 0, os.path.join(self.state, 'ledger')
        for name in os.listdir(folder) if os.path.isdir(folder) else ():
            with open(os.path.join(folder, name), 'rb') as f:
                n += sum(1 for _ in f)
        return n

    def close(self):
        if self.mount:
            subprocess.run(['umount', '-l', self.mount])
        shutil.rmtree(self.dir, ignore_errors=True)
        for name in os.listdir('/dev/shm'):
            if name.startswith(os.path.basename(self.dir)):
                os.unlink('/dev/shm/' + name)
