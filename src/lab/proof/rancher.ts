import { setTimeout as sleep } from 'node:timers/promises'
import type { RancherSystem } from '../../kinds/index.ts'
import type { Receipt } from '../../store/receipt.ts'
import { onRancherHost, type ProofLab, rcloneRemote } from './reach.ts'

/**
 * Unpacks the receipt's archive with tar, checks the data, and starts a fresh Rancher on them without a network. The
 * original writes all the time, so what is compared is the version at which it was closed for this very copy. Returns
 * what is wrong, in words.
 */
export async function proveRancher(
  system: RancherSystem,
  receipt: Receipt,
  lab: ProofLab,
  say: (doing: string) => void,
): Promise<string[]> {
  const name = `proof-${system.name}`
  const folder = `/var/lib/${name}`
  const docker: Docker = args => onRancherHost(lab, ['docker', ...args])
  // Docker opens --env-file, so that it must be a pipe: what node gives a process as standard input is a socket.
  const runWith: (variables: string, args: readonly string[]) => Promise<string> = (variables, args) =>
    onRancherHost(lab, ['sh', '-c', 'cat | docker run --env-file=/dev/stdin "$@"', 'docker', ...args], variables)
  const remove = async () => {
    await docker(['rm', '--force', name]).catch(() => undefined)
    await onRancherHost(lab, ['rm', '-rf', folder])
  }
  const [original] = JSON.parse(await docker(['container', 'inspect', system.container]))
  const image: string = original.Image
  const environment: string = original.Config.Env.join('\n')
  const archive = receipt.object.key.split('/').at(-1)

  await remove()
  try {
    await onRancherHost(lab, ['mkdir', '-p', `${folder}/copy`, `${folder}/data`])
    say(`fetching ${receipt.object.key}`)
    const variables = Object.entries(rcloneRemote(lab.storeOf(system))).map(([name, value]) => `${name}=${value}`)
    const copy = `--volume=${folder}/copy:/copy`
    // Keys come by standard input: neither command lines nor files show them.
    await runWith(variables.join('\n'), [
      ...['--rm', '--user=0', '--network=host', copy, '--entrypoint=rclone', lab.images.agent],
      ...['copy', `store:${receipt.bucket}/${receipt.object.key}`, '/copy'],
    ])
    const found = (await onRancherHost(lab, ['sha256sum', `${folder}/copy/${archive}`])).slice(0, 64)
    if (found !== receipt.object.sha256)
      return [`the object's SHA-256 is ${found}, its receipt says ${receipt.object.sha256}`]

    say('unpacking')
    const data = `--volume=${folder}/data:/var/lib/rancher`
    await docker(['run', '--rm', copy, data, '--entrypoint=tar', image, 'xzpf', `/copy/${archive}`, '-C', '/'])

    say("checking the data by Rancher's own rules")
    const verified = await docker(['run', '--rm', data, '--network=none', image, 'verify', '/var/lib/rancher'])
    const restored = /whole: version (\d+)/.exec(verified)?.[1]
    const closed = await versionAtTheStop(docker, system.container, receipt)
    if (restored !== closed)
      return [`the copy holds version ${restored}; Rancher was closed for it at version ${closed}`]

    say('starting a fresh Rancher on them')
    await runWith(environment, ['--detach', '--name', name, '--network=none', data, image])
    return await untilHealthy(docker, name, system.healthyTimeoutSeconds)
  } finally {
    await remove()
  }
}

type Docker = (args: readonly string[]) => Promise<string>

/** The version that Rancher itself wrote into its log when it was stopped during the run. */
export async function versionAtTheStop(docker: Docker, container: string, receipt: Receipt): Promise<string> {
  const log = await docker(['logs', `--since=${receipt.start}`, `--until=${receipt.end}`, container])
  const version = [...log.matchAll(/closed at version (\d+)/g)].at(-1)?.[1]
  if (version === undefined)
    throw new Error(`the log of ${container} tells of no stop between ${receipt.start} and ${receipt.end}`)
  return version
}

/** Asks from inside, for the container has no network. Returns the log's end where it ends or does not become healthy. */
async function untilHealthy(docker: Docker, container: string, seconds: number): Promise<string[]> {
  const ask = 'import urllib.request; urllib.request.urlopen("http://127.0.0.1/ping", timeout=5)'
  const deadline = performance.now() + seconds * 1000
  while (performance.now() < deadline) {
    const healthy = await docker(['exec', container, 'python3', '-c', ask]).then(
      () => true,
      () => false,
    )
    if (healthy) return []
    if ((await docker(['inspect', '--format={{.State.Running}}', container])) !== 'true') break
    await sleep(500)
  }
  const log = await docker(['logs', '--tail=5', container])
  return [`a fresh Rancher on the copy was not healthy within ${seconds} s; its last lines: ${log}`]
}
