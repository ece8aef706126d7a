import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { expect, onTestFinished, test } from 'vitest'
import packageFile from '../../../package.json' with { type: 'json' }
import packages from '../../../package-lock.json' with { type: 'json' }
import { projectRoot } from '../../../src/ansible/venv.ts'
import { audit, readAudit } from '../../../src/images/audit.ts'
import { packagesOf, readLock } from '../../../src/images/lock.ts'
import { sbomOf, shipped } from '../../../src/images/sbom.ts'

const about = {
  locked: readLock(),
  npm: packages.packages,
  node: packageFile.devDependencies.node,
  version: packageFile.version,
}

test.each(shipped)(
  'the bill of materials of the image %s names each Debian package, Node, and each npm package',
  image => {
    const { bomFormat, components } = sbomOf(image, about)
    expect(bomFormat).toBe('CycloneDX')
    const names = components.map(({ purl }) => purl)
    const debian = packagesOf(image === 'status' ? 'base' : image, about.locked)
    expect(names.filter(purl => purl.startsWith('pkg:deb/'))).toHaveLength(debian.size)
    expect(names).toContain(`pkg:generic/node@${about.node}`)
    const ours = image === 'status' ? ['prom-client'] : ['yargs', 'pg', 'pg-types', '@aws-sdk/client-s3']
    for (const name of ours) {
      expect(names.filter(purl => purl.startsWith(`pkg:npm/${name.replace('@', '%40')}@`))).toHaveLength(1)
    }
    expect(names.some(purl => purl.startsWith('pkg:npm/echarts@'))).toBe(image === 'status')
    expect(names.some(purl => purl.startsWith('pkg:npm/vitest@'))).toBe(false)
  },
)

/** npm's audit against a registry that answers each question with this status and body. */
async function auditOf(status: number, body: string) {
  const registry = createServer((request, answer) => {
    request.resume()
    request.on('end', () => answer.writeHead(status, { 'content-type': 'application/json' }).end(body))
  })
  await new Promise<void>(resolve => registry.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => void registry.close())
  const url = `http://127.0.0.1:${(registry.address() as AddressInfo).port}/`
  return await audit(projectRoot, { npm_config_registry: url })
}

test('an audit that was answered is told from one that was not', async () => {
  expect(await auditOf(200, '{}')).toEqual({ asked: true, vulnerable: [] })
  expect(await auditOf(405, '')).toMatchObject({ asked: false, why: expect.stringContaining('405') })
  expect(await audit(projectRoot, { npm_config_registry: 'http://127.0.0.1:1/' })).toMatchObject({ asked: false })
})

test('what an audit finds is listed, with whose weakness it is', () => {
  const via = [{ title: 'Reads beyond the end' }, 'zlib']
  const report = { auditReportVersion: 2, vulnerabilities: { pg: { severity: 'high', via } } }
  expect(readAudit(JSON.stringify(report), '')).toEqual({
    asked: true,
    vulnerable: [{ name: 'pg', severity: 'high', because: ['Reads beyond the end', 'zlib'] }],
  })
  expect(readAudit('', 'npm error no lock file')).toEqual({ asked: false, why: 'npm error no lock file' })
})
