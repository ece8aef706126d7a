import { type Rule, repeated } from './rule.ts'

export const clusterUsedTwice: Rule = {
  id: 'cluster-used-twice',
  description: 'Two clusters of one API are one cluster: its systems could no longer be told apart by their places.',
  check: config =>
    repeated(
      config.clusters.map((cluster, index) => ({ ...cluster, index })),
      ({ api }) => new URL(api).href.replace(/\/$/, '').replace(/\.(?=(:\d+)?(\/|$))/, ''),
      ({ index, api }, first) => ({
        path: `clusters[${index}].api`,
        message: `\`${api}\` is the API of the cluster \`${first.name}\` already`,
        suggest: 'name the cluster once, and have both environments use it',
      }),
    ),
}
