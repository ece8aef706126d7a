import { kindOf } from '../../kinds/index.ts'
import { nearest } from '../../report/problem.ts'
import { placeOf, type Rule } from './rule.ts'

export const clusterUnknown: Rule = {
  id: 'cluster-unknown',
  description: 'A system names the cluster it runs in; `clusters` must define it.',
  check: config => {
    const known = config.clusters.map(c => c.name)
    return config.systems.flatMap((system, index) => {
      const cluster = kindOf(system).cluster(system)
      if (cluster === undefined || known.includes(cluster)) return []
      const near = nearest(cluster, known)
      return [
        {
          path: placeOf(config, index, 'cluster'),
          message: `there is no cluster \`${cluster}\``,
          suggest: near[0]
            ? `did you mean \`${near[0]}\`?`
            : `write one of ${known.join(', ')}, or add it to \`clusters\``,
        },
      ]
    })
  },
}
