import { kindOf } from '../../kinds/index.ts'
import { type Finding, placeOf, type Rule } from './rule.ts'

export const secondStoreWrong: Rule = {
  id: 'second-store-wrong',
  description:
    'A second copy in an unknown store is never made; one at the same address is lost with the first; two systems in one bucket remove the copies of each other.',
  check: config => {
    const stores = config.otherStores ?? []
    const known = new Map(stores.map(store => [store.name, store]))
    const ofStores = stores.flatMap(({ name, endpoint }, index): Finding[] => [
      ...(stores.findIndex(store => store.name === name) < index
        ? [
            {
              path: `otherStores[${index}].name`,
              message: `another store is called \`${name}\` already`,
              suggest: 'give each store a name of its own',
            },
          ]
        : []),
      ...(hostOf(endpoint) === hostOf(config.store.endpoint)
        ? [
            {
              path: `otherStores[${index}].endpoint`,
              message: `\`${endpoint}\` is the first store: what is lost there is lost here`,
              suggest: 'write the address of another provider, or of another site',
            },
          ]
        : []),
    ])
    const hosts = new Map(stores.map(({ name, endpoint }) => [name, hostOf(endpoint)]))
    const used = new Map<string, string>()
    const ofSystems = config.systems.flatMap((system, index): Finding[] => {
      const { second } = system
      if (!second) return []
      if (!known.has(second.store)) {
        const names = [...known.keys()].map(name => `'${name}'`).join(', ')
        const suggest = names === '' ? 'add it to `otherStores`' : `write one of ${names}, or add it to \`otherStores\``
        return [
          { path: placeOf(config, index, 'second.store'), message: `there is no store \`${second.store}\``, suggest },
        ]
      }
      const findings: Finding[] = []
      // Two stores of one address are one.
      const bucket = `${hosts.get(second.store)} ${second.bucket}`
      const other = used.get(bucket)
      if (other !== undefined) {
        findings.push({
          path: placeOf(config, index, 'second.bucket'),
          message: `\`${second.bucket}\` is the second bucket of \`${other}\` already`,
          suggest: 'give each system a bucket of its own',
        })
      }
      used.set(bucket, system.name)
      for (const { image } of kindOf(system).images(system)) {
        findings.push({
          path: placeOf(config, index, 'second'),
          message: `\`${image}\` writes no receipts, and only what they vouch for is copied`,
          suggest: 'leave out `second`, or `image`',
        })
      }
      return findings
    })
    return [...ofStores, ...ofSystems]
  },
}

function hostOf(endpoint: string): string {
  return URL.canParse(endpoint) ? new URL(endpoint).host.replace(/\.(?=:|$)/, '') : endpoint
}
