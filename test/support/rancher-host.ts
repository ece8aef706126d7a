import { randomBytes } from 'node:crypto'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { CreateBucketCommand, GetObjectCommand } from '@aws-sdk/client-s3'
import { execa } from 'execa'
import { load } from 'js-yaml'
import { rancherReceipts } from '../../src/agent/rancher/receipt.ts'
import type { GuardRecord, RunRecord } from '../../src/agent/rancher/records.ts'
import { ansibleEnvironment } from '../../src/ansible/playbook.ts'
import { ensureVenv, projectRoot } from '../../src/ansible/venv.ts'
import { labImages } from '../../src/lab/site.ts'
import { openStore, type Store } from '../../src/store/client.ts'
import { readReceipts, type StoredReceipt } from '../../src/store/receipt.ts'

const bin = await ensureVenv(() => undefined)

function given(name: string): string {
  const value = process.env[name]
  if (!value) throw new Error(`${name} is not set: \`npm test -- rancher\` raises the lab and sets it`)
  return value
}

const state = given('BACKUPS_TEST_LAB_STATE')
const machine = process.env.BACKUPS_TEST_RANCHER_MACHINE ?? 'rancher'
const store = {
  endpoint: given('BACKUPS_TEST_S3_ENDPOINT'),
  key: given('BACKUPS_TEST_S3_ACCESS_KEY_ID'),
  secret: given('BACKUPS_TEST_S3_SECRET_ACCESS_KEY'),
}

// On a normal filesystem of the machine, not an overlay.
const home = '/lab/rancher-test'
const port = 18_080
const switchPort = 18_090

/** A Rancher stand-in for one test on the lab's Docker host, with its own bucket and dead-man's switch. */
export class RancherHost {
  readonly container = `rancher-${randomBytes(3).toString('hex')}`
  readonly folder = `${home}/${this.container}`
  readonly data = `${this.folder}/data`
  staging = `${this.folder}/staging`
  bucket = `test-${this.container}`
  system: string = this.container
  readonly store: Store = openStore({
    RCLONE_S3_ENDPOINT: store.endpoint,
    AWS_ACCESS_KEY_ID: store.key,
    AWS_SECRET_ACCESS_KEY: store.secret,
  })
  readonly image = labImages.rancher
  readonly storeEndpoint = store.endpoint
  readonly healthUrl = `http://127.0.0.1:${port}/ping`

  /**
   * Run a command in the machine, as root.
   * @throws if it fails
   */
  async run(command: readonly string[], input = ''): Promise<string> {
    const { stdout } = await execa(join(state, 'machine'), ['exec', machine, ...command], { input })
    return stdout
  }

  async shell(script: string): Promise<string> {
    return await this.run(['bash', '-euc', script])
  }

  /** Write a file on the machine. */
  async put(path: string, content: Uint8Array): Promise<void> {
    await execa(join(state, 'machine'), ['exec', machine, 'dd', `of=${path}`, 'status=none'], { input: content })
  }

  docker(...args: string[]): Promise<string> {
    return this.run(['docker', ...args])
  }

  /** Make the host's folder a separate filesystem, in a file of this many GiB. Call it before `raise`. */
  async onFilesystem(kind: 'xfs', gib: number): Promise<void> {
    await this.shell(`
      [ -e /dev/loop-control ] || mknod /dev/loop-control c 10 237
      for number in $(seq 0 15); do [ -e /dev/loop$number ] || mknod /dev/loop$number b 7 $number; done
      mkdir -p ${this.folder}
      truncate --size ${gib}G ${this.folder}.img
      mkfs.${kind} -q ${this.folder}.img
      mount -o loop ${this.folder}.img ${this.folder}`)
  }

  /** Create the bucket, the switch, and the stand-in with this much data. Returns when it is healthy. */
  async raise(environment: Record<string, string> = {}): Promise<void> {
    await this.#clearLeftovers()
    await this.store.s3.send(new CreateBucketCommand({ Bucket: this.bucket }))
    await this.run(['mkdir', '-p', this.data])
    await this.#raiseSwitch()
    await this.makeRancher(environment)
  }

  /** Become a new host for another's copies: a container that was created but never started, and no data. */
  async like(other: RancherHost): Promise<void> {
    this.bucket = other.bucket
    this.system = other.system
    await this.run(['mkdir', '-p', this.data])
    await this.docker(
      ...['create', '--name', this.container, '--publish', `127.0.0.1:${port}:80`, '--restart', 'unless-stopped'],
      ...['--volume', `${this.data}:/var/lib/rancher`, labImages.rancher],
    )
  }

  /** An object of the bucket. */
  async get(key: string) {
    return await this.store.s3.send(new GetObjectCommand({ Bucket: this.bucket, Key: key }))
  }

  async makeRancher(environment: Record<string, string> = {}, ...args: string[]): Promise<void> {
    const variables = {
      STAND_IN_DB_MIB: '64',
      STAND_IN_WAL_SEGMENTS: '1',
      STAND_IN_FILES_MIB: '32',
      STAND_IN_HEALTHY_SECONDS: '1',
      ...environment,
    }
    await this.docker(
      ...['run', '--detach', '--name', this.container, '--publish', `127.0.0.1:${port}:80`],
      ...(args.length > 0 ? args : ['--restart', 'unless-stopped']),
      ...['--volume', `${this.data}:/var/lib/rancher`],
      ...Object.entries(variables).flatMap(([name, value]) => ['--env', `${name}=${value}`]),
      labImages.rancher,
    )
    await this.untilHealthy(120)
  }

  /** Remove the containers of killed tests: one of them may hold the port. */
  async #clearLeftovers(): Promise<void> {
    const left = await this.docker('ps', '--all', '--quiet', '--filter', 'name=^/rancher-[0-9a-f]{6}(-|$)')
    if (left !== '') await this.docker('rm', '--force', '--volumes', ...left.split('\n'))
  }

  async #raiseSwitch(): Promise<void> {
    // A systemd service, so that it is started again after a reboot.
    await this.shell(`
      mkdir -p ${home} /lab/service/rancher-test-switch
      cat > ${home}/switch.py <<'PYTHON'
import http.server, sys
class Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        self.rfile.read(int(self.headers.get("content-length", 0)))
        with open("${home}/beats", "a") as file:
            file.write(self.path + "\\n")
        self.send_response(200)
        self.end_headers()
    def log_message(self, *_):
        pass
http.server.ThreadingHTTPServer(("127.0.0.1", ${switchPort}), Handler).serve_forever()
PYTHON
      printf '#!/bin/sh\\nexec python3 ${home}/switch.py\\n' > /lab/service/rancher-test-switch/run
      chmod +x /lab/service/rancher-test-switch/run`)
    await until('the dead-man switch listens', 30, () =>
      this.shell(`exec 3<>/dev/tcp/127.0.0.1/${switchPort}`).then(
        () => true,
        () => false,
      ),
    )
  }

  /** The dead-man's switch's requests about this host since its creation: `start`, `success`, `fail`. */
  async beats(): Promise<string[]> {
    const text = await this.shell(`cat ${home}/beats 2>/dev/null || true`)
    return text
      .split('\n')
      .filter(line => line.startsWith(`/${this.container}`))
      .map(line => line.split('/')[2] ?? 'success')
  }

  async fall(): Promise<void> {
    await this.shell(`
      for name in '' -backup -guard -drill -drill-network; do
        docker rm --force --volumes ${this.container}$name 2>/dev/null || true
      done
      umount --lazy ${this.folder}/* ${this.folder} 2>/dev/null || true
      rm -rf ${this.folder} ${this.folder}.img`)
  }

  /** Remove what all hosts of the tests share. */
  async fallForGood(): Promise<void> {
    await this.fall()
    await this.shell(`
      sv -w 5 force-stop /lab/service/rancher-test-switch || true
      rm -rf /lab/service/rancher-test-switch ${home}`)
  }

  async healthy(): Promise<boolean> {
    return await this.run(['curl', '--silent', '--fail', '--max-time', '2', this.healthUrl]).then(
      () => true,
      () => false,
    )
  }

  async untilHealthy(seconds: number): Promise<void> {
    await until(`${this.container} is healthy`, seconds, () => this.healthy())
  }

  async running(name = this.container): Promise<boolean> {
    return (
      (await this.docker('container', 'inspect', '--format', '{{.State.Running}}', name).catch(() => '')) === 'true'
    )
  }

  async startedAt(): Promise<string> {
    return await this.docker('container', 'inspect', '--format', '{{.State.StartedAt}}', this.container)
  }

  async runRecord(): Promise<RunRecord | undefined> {
    return await this.#json<RunRecord>('run.json')
  }

  async guardRecord(): Promise<GuardRecord | undefined> {
    return await this.#json<GuardRecord>('guard.json')
  }

  async #json<T>(name: string): Promise<T | undefined> {
    const text = await this.run(['cat', `${this.staging}/${name}`]).catch(() => '')
    return text === '' ? undefined : (JSON.parse(text) as T)
  }

  /** Returns when the run's container has ended. */
  async runEnded(seconds: number): Promise<void> {
    await until('the run has ended', seconds, async () => !(await this.running(`${this.container}-backup`)))
  }

  async guardEnded(seconds: number): Promise<void> {
    await until('the guard has ended', seconds, async () => !(await this.running(`${this.container}-guard`)))
  }

  async receipts(): Promise<StoredReceipt<typeof rancherReceipts>[]> {
    return (await readReceipts(this.store, { bucket: this.bucket, system: this.system, kinds: [rancherReceipts] }))
      .receipts
  }

  /**
   * Make the machine itself run a script the moment a step begins, faster than is possible from outside.
   *
   * @param script bash; `$agent` is the first process of the run's container, `$node` the agent itself
   */
  async at(step: string, script: string): Promise<{ done: Promise<string> }> {
    const record = `${this.staging}/run.json`
    await this.run(['rm', '-f', record])
    const done = this.shell(`
      # Without a process of its own for each look: hundreds of them a second would slow Rancher's restart.
      exec {pause}<> <(:)
      agent=
      for (( SECONDS = 0; SECONDS < 600; )); do
        text=
        if [ -e ${record} ]; then
          # Asked while the run is at its first step: a later step may last a tenth of a second only.
          if [ -z "$agent" ]; then
            agent=$(docker container inspect --format '{{.State.Pid}}' ${this.container}-backup)
            node=$(pgrep --parent "$agent")
          fi
          IFS= read -rd '' text 2>/dev/null < ${record} || true
        fi
        if [[ $text == *'"name":"${step}"'* ]]; then
          ${script}
          exit 0
        fi
        read -t 0.005 -u $pause || true
      done
      echo "the step ${step} did not come" >&2; exit 1`)
    // The test awaits it at its end; an earlier failure must not count as unhandled.
    done.catch(() => undefined)
    return { done }
  }

  /** The files that a play needs for this host: inventory, key. */
  async #files(variables: Record<string, unknown>): Promise<{ folder: string; inventory: string; key: string }> {
    const credentials = load(await readFile(join(state, 'credentials.yml'), 'utf8')) as Credentials
    const { username = 'root', ssh_key_data = '' } = credentials['Host: rancher-server'] ?? {}
    const conf = await readFile(join(state, machine, 'machine.conf'), 'utf8')
    const address = /^address=([\d.]+)/m.exec(conf)?.[1]
    const folder = await mkdtemp(join(tmpdir(), 'rancher-test-'))
    const key = join(folder, 'key')
    await writeFile(key, ssh_key_data, { mode: 0o600 })
    const inventory = join(folder, 'hosts.json')
    const hosts = {
      backups: { children: { rancher: {} } },
      rancher: {
        hosts: {
          [this.container]: {
            ansible_host: address,
            ansible_user: username,
            ansible_ssh_private_key_file: key,
            rancher_backup_system: this.system,
            rancher_backup_image: labImages.agent,
            rancher_backup_container: this.container,
            rancher_backup_data_directory: this.data,
            rancher_backup_staging_directory: this.staging,
            rancher_backup_health_url: this.healthUrl,
            rancher_backup_bucket: this.bucket,
            rancher_backup_s3_endpoint: store.endpoint,
            rancher_backup_keep: 2,
            rancher_backup_stop_deadline_seconds: 20,
            rancher_backup_healthy_timeout_seconds: 30,
            ansible_become: true,
            backup_system_name: this.system,
            backup_system_image: labImages.agent,
            backup_system_environment: {
              AWS_DEFAULT_REGION: 'us-east-1',
              RCLONE_S3_ENDPOINT: store.endpoint,
              S3_BUCKET_NAME: this.bucket,
            },
            backup_system_run_as: { user: 10001, group: 10001, capabilities: [] },
            backup_system_maximum_age_hours: 1,
            ...variables,
          },
        },
      },
    }
    await writeFile(inventory, JSON.stringify(hosts))
    return { folder, inventory, key }
  }

  /** The environment of a play, as AWX would set it. */
  environment(): Record<string, string> {
    return ansibleEnvironment(bin, {
      AWS_ACCESS_KEY_ID: store.key,
      AWS_SECRET_ACCESS_KEY: store.secret,
      BACKUP_HEARTBEAT_URL: `http://127.0.0.1:${switchPort}/${this.container}`,
      ANSIBLE_SSH_COMMON_ARGS: `-o UserKnownHostsFile=${join(state, 'ssh/known_hosts')}`,
    })
  }

  /**
   * Run the playbook as an operator or AWX would.
   *
   * @param options.variables of the inventory host, overriding the usual ones
   * @param options.command what to run; default ansible-playbook. Gets the inventory and the playbook as arguments
   */
  async play(
    options: Play = {},
  ): Promise<{ exitCode: number | undefined; signal: string | undefined; output: string }> {
    const { folder, inventory } = await this.#files(options.variables ?? {})
    try {
      const [file = '', ...args] = options.command ?? [join(bin, 'ansible-playbook'), '--inventory']
      const playing = execa(
        file,
        [...args, inventory, options.playbook ?? 'playbooks/backup-rancher.yml', ...(options.args ?? [])],
        {
          cwd: projectRoot,
          // An AWX job has no ssh connection of an earlier job; one from before a reboot would be dead.
          env: { ...this.environment(), ANSIBLE_SSH_CONTROL_PATH_DIR: folder, ...options.environment },
          extendEnv: false,
          all: true,
          reject: false,
          timeout: 300_000,
        },
      )
      options.playing?.(playing)
      const { exitCode, signal, all } = await playing
      return { exitCode, signal, output: all }
    } finally {
      await rm(folder, { recursive: true, force: true })
    }
  }

  /** Close every ssh connection to the machine, and accept no new one. */
  async sshDown(): Promise<void> {
    await this.shell(`
      sv down /lab/service/sshd
      pkill '^sshd' || true`)
  }

  async sshUp(): Promise<void> {
    await this.run(['sv', 'up', '/lab/service/sshd'])
  }

  /** Stop the machine as a power failure would, and boot it again. Returns when Docker answers. */
  async reboot(): Promise<void> {
    await execa(join(state, 'machine'), ['kill', machine])
    await execa(join(state, 'machine'), ['start', machine])
    await until('Docker answers again', 60, () =>
      this.docker('version').then(
        () => true,
        () => false,
      ),
    )
  }
}

type Credentials = Record<string, { username?: string; ssh_key_data?: string } | undefined>

interface Play {
  variables?: Record<string, unknown>
  playbook?: string
  args?: string[]
  command?: string[]
  environment?: Record<string, string>
  /** Called with the running process, for tests that kill it. */
  playing?: (process: { kill(signal: NodeJS.Signals): boolean; pid?: number | undefined }) => void
}

/**
 * Wait until a condition holds.
 * @throws naming the condition, if it does not hold after this many seconds
 */
export async function until(what: string, seconds: number, so: () => Promise<boolean>): Promise<void> {
  for (const end = Date.now() + seconds * 1000; !(await so()); await sleep(200)) {
    if (Date.now() > end) throw new Error(`not within ${seconds} s: ${what}`)
  }
}
