import { kindOf } from '../../kinds/index.ts'
import { nearest } from '../../report/problem.ts'
import { placeOf, type Rule } from './rule.ts'

export const clusterUnknown: Rule = {
  id: 'cluster-unknown',
  description: 'A system and the status service name the cluster they run in; `clusters` must define it.',
  check: config => {
    const known = config.clusters.map(c => c.name)
    const named = [
      ...config.systems.map((system, index) => ({
        path: placeOf(config, index, 'cluster'),
        cluster: kindOf(system).cluster(system),
      })),
      { path: 'statusService.cluster', cluster: config.statusService?.cluster },
    ]
    return named.flatMap(({ path, cluster }) => {
      if (cluster === undefined || known.includes(cluster)) return []
      const near = nearest(cluster, known)
      return [
        {
          path,
          message: `there is no cluster \`${cluster}\``,
          suggest: near[0]
            ? `did you mean \`${near[0]}\`?`
            : `write one of ${known.join(', ')}, or add it to \`clusters\``,
        },
      ]
    })
  },
}
