import { setTimeout as sleep } from 'node:timers/promises'
import type { RancherSystem } from '../../kinds/index.ts'
import type { Receipt } from '../../store/receipt.ts'
import { labDrillKey, labKitKey } from '../kit-key.ts'
import { type LabAccess, onDockerHost, rcloneRemote } from '../reach.ts'
import { newestReceipt } from '../receipts.ts'
import { addresses } from '../site.ts'
import type { LabKind, State } from './kind.ts'

/** Rancher on the lab's Docker host, played by the stand-in of `images/rancher-stand-in`. */
export const labRancher: LabKind<RancherSystem> = {
  adapt: (system, index, hostKey) => ({
    ...system,
    host: addresses.rancher,
    ...(hostKey !== undefined && { hostKeys: [hostKey] }),
    healthUrl: `http://127.0.0.1:${8080 + index}/ping`,
    stopDeadlineSeconds: 60,
    healthyTimeoutSeconds: 120,
    ...(system.encrypt && {
      encrypt: { recipients: [labKitKey.recipient], drillRecipient: labDrillKey(system.name).recipient },
    }),
  }),

  needs: () => ({}),

  /** Rancher writes all the time; the version with which it last started tells what was restored. */
  async state({ container }, lab) {
    const log = await docker(lab, ['logs', '--tail=200', container])
    const version = [...log.matchAll(/data are whole at version (\d+)/g)].at(-1)?.[1]
    return stateAt(version ?? 'unknown')
  },

  async stateInCopy(system, lab) {
    return stateAt(await versionWhenStopped(lab, system.container, await newestReceipt(system, lab)))
  },

  async destroy({ container, dataDirectory, stagingDirectory }, lab) {
    await docker(lab, ['stop', container])
    await onDockerHost(lab, ['find', dataDirectory, '-mindepth', '1', '-delete'])
    await onDockerHost(lab, ['rm', '-rf', stagingDirectory])
  },

  bringBack: (_system, _lab, restore) => restore(),

  /**
   * Unpacks the archive with tar, checks the data, and starts a fresh Rancher on them without a network. The original
   * has written since, so the version to find is the one with which it was stopped for this copy.
   */
  async prove(system, receipt, lab, log) {
    const name = `proof-${system.name}`
    const folder = `/var/lib/${name}`
    // Docker opens --env-file itself, so it must be a pipe: node gives a process a socket as standard input.
    const runWith = (variables: string, args: readonly string[]): Promise<string> =>
      onDockerHost(lab, ['sh', '-c', 'cat | docker run --env-file=/dev/stdin "$@"', 'docker', ...args], variables)
    const remove = async () => {
      await docker(lab, ['rm', '--force', name]).catch(() => undefined)
      await onDockerHost(lab, ['rm', '-rf', folder])
    }
    const [original] = JSON.parse(await docker(lab, ['container', 'inspect', system.container]))
    const image: string = original.Image
    const environment: string = original.Config.Env.join('\n')
    const archive = receipt.object.key.split('/').at(-1)

    await remove()
    try {
      await onDockerHost(lab, ['mkdir', '-p', `${folder}/copy`, `${folder}/data`])
      log(`fetching ${receipt.object.key}`)
      const variables = Object.entries(rcloneRemote(lab.storeOf(system))).map(([key, value]) => `${key}=${value}`)
      const copy = `--volume=${folder}/copy:/copy`
      // Keys come by standard input: neither command lines nor files show them.
      await runWith(variables.join('\n'), [
        ...['--rm', '--user=0', '--network=host', copy, '--entrypoint=rclone', lab.images.agent],
        ...['copy', `store:${receipt.bucket}/${receipt.object.key}`, '/copy'],
      ])
      const found = (await onDockerHost(lab, ['sha256sum', `${folder}/copy/${archive}`])).slice(0, 64)
      if (found !== receipt.object.sha256)
        return [`the object's SHA-256 is ${found}, its receipt says ${receipt.object.sha256}`]

      const opened = archive?.replace(/\.age$/, '')
      if (opened !== archive) {
        log('decrypting it')
        const age = ['--rm', '--interactive', '--user=0', copy, '--entrypoint=age', lab.images.agent]
        const open = ['docker', 'run', ...age, '-d', '-i', '-', '-o', `/copy/${opened}`, `/copy/${archive}`]
        await onDockerHost(lab, open, `${labKitKey.identity}\n`)
      }
      log('unpacking')
      const data = `--volume=${folder}/data:/var/lib/rancher`
      await docker(lab, ['run', '--rm', copy, data, '--entrypoint=tar', image, 'xzpf', `/copy/${opened}`, '-C', '/'])

      log("checking the data by Rancher's own rules")
      const verified = await docker(lab, ['run', '--rm', data, '--network=none', image, 'verify', '/var/lib/rancher'])
      const restored = /whole: version (\d+)/.exec(verified)?.[1]
      const stopped = await versionWhenStopped(lab, system.container, receipt)
      if (restored !== stopped)
        return [`the copy holds version ${restored}; Rancher was stopped for it at version ${stopped}`]

      log('starting a fresh Rancher on them')
      await runWith(environment, ['--detach', '--name', name, '--network=none', data, image])
      return await untilHealthy(lab, name, system.healthyTimeoutSeconds)
    } finally {
      await remove()
    }
  },
}

const stateAt = (version: string): State => ({ facts: { version }, summary: `Rancher's data at version ${version}` })

function docker(lab: LabAccess, args: readonly string[]): Promise<string> {
  return onDockerHost(lab, ['docker', ...args])
}

/** The version that Rancher itself logged when it was stopped during the run. */
async function versionWhenStopped(lab: LabAccess, container: string, receipt: Receipt): Promise<string> {
  const log = await docker(lab, ['logs', `--since=${receipt.start}`, `--until=${receipt.end}`, container])
  const version = [...log.matchAll(/closed at version (\d+)/g)].at(-1)?.[1]
  if (version === undefined)
    throw new Error(`the log of ${container} shows no stop between ${receipt.start} and ${receipt.end}`)
  return version
}

/** Asks from inside, because the container has no network. Returns the end of its log if it does not become healthy. */
async function untilHealthy(lab: LabAccess, container: string, seconds: number): Promise<string[]> {
  const ask = 'import urllib.request; urllib.request.urlopen("http://127.0.0.1/ping", timeout=5)'
  const deadline = performance.now() + seconds * 1000
  while (performance.now() < deadline) {
    const healthy = await docker(lab, ['exec', container, 'python3', '-c', ask]).then(
      () => true,
      () => false,
    )
    if (healthy) return []
    if ((await docker(lab, ['inspect', '--format={{.State.Running}}', container])) !== 'true') break
    await sleep(500)
  }
  const log = await docker(lab, ['logs', '--tail=5', container])
  return [`a fresh Rancher on the copy was not healthy within ${seconds} s; its last lines: ${log}`]
}
