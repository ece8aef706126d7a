import { readFileSync } from 'node:fs'
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { execa } from 'execa'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { projectRoot } from '../../src/ansible/venv.ts'

// The lab's build script on two programs that are quick to build, with an empty build cache.

let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'backups-build-'))
  const program = (imports: string, value: string) => `package main
import ("fmt"; ${imports})
func main() { fmt.Println(${value}) }
`
  const files = {
    'kubernetes/go.mod':
      'module lab/kubernetes\ngo 1.24\nrequire k8s.io/kubernetes v1.2.3\nreplace k8s.io/kubernetes => ./k\n',
    'kubernetes/k/go.mod': 'module k8s.io/kubernetes\ngo 1.24\n',
    'kubernetes/k/k.go': 'package k\nconst Name = "kubernetes"\n',
    'kubernetes/main.go': program('"k8s.io/kubernetes"', 'k.Name'),
    'coredns/go.mod': 'module lab/coredns\ngo 1.24\n',
    'coredns/main.go': program('', '"coredns"'),
  }
  for (const [path, text] of Object.entries(files)) {
    await mkdir(dirname(join(folder, path)), { recursive: true })
    await writeFile(join(folder, path), text)
  }
})
afterAll(() => rm(folder, { recursive: true }))

function build(target: string) {
  const script = join(projectRoot, 'roles/lab_cluster/files/build')
  return execa(script, [folder, join(folder, target), join(folder, 'progress')], {
    env: { GOCACHE: join(folder, 'cache'), GOFLAGS: '-mod=mod', GOPROXY: 'off' },
    reject: false,
  })
}

test('a build reports its progress and installs the binaries', { timeout: 300_000 }, async () => {
  const building = build('binaries')
  const seen = new Set<string>()
  let ended = false
  building.finally(() => {
    ended = true
  })
  while (!ended) {
    try {
      seen.add(readFileSync(join(folder, 'progress'), 'utf8'))
    } catch {
      // Not written yet, or removed at the end.
    }
    await sleep(20)
  }
  const { exitCode, stderr } = await building
  expect(exitCode, stderr).toBe(0)
  const percentages = [...seen].flatMap(line => {
    const [, compiled, packages, percent] =
      /^Kubernetes: (\d+) of (\d+) packages compiled \((\d+) %\), about 1 min left\n$/.exec(line) ?? []
    if (percent === undefined) return []
    expect(Number(percent)).toBe(Math.floor((100 * Number(compiled)) / Number(packages)))
    return [Number(percent)]
  })
  expect(percentages.length).toBeGreaterThan(5)
  expect(percentages).toEqual(percentages.toSorted((a, b) => a - b))
  expect(await readdir(folder)).not.toContain('progress')
  expect((await execa(join(folder, 'binaries/kubelet'))).stdout).toBe('kubernetes')
  expect((await execa(join(folder, 'binaries/coredns'))).stdout).toBe('coredns')
})

test('a build that fails leaves no binaries, and says why', { timeout: 300_000 }, async () => {
  await writeFile(join(folder, 'coredns/main.go'), 'package main\nfunc main() { missing() }\n')
  const { exitCode, stderr } = await build('broken')
  expect(exitCode).not.toBe(0)
  expect(stderr).toContain('undefined: missing')
  expect((await readdir(folder)).filter(name => ['broken', 'progress'].includes(name))).toEqual([])
})
