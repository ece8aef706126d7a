import { placeOf, type Rule, repeated } from './rule.ts'

export const bucketUsedTwice: Rule = {
  id: 'bucket-used-twice',
  description:
    "A bucket belongs to one system: in a shared one, one system's pruning or mirror removes the other's copies.",
  check: config => {
    const reports = config.statusService?.reports?.bucket
    const owner = config.systems.find(({ bucket }) => bucket === reports)
    return [
      ...repeated(
        config.systems,
        s => s.bucket,
        (system, first, index) => ({
          path: placeOf(config, index, 'bucket'),
          message: `\`${system.bucket}\` is the bucket of \`${first.name}\` already`,
          suggest: 'give each system a bucket of its own',
        }),
      ),
      ...(owner
        ? [
            {
              path: 'statusService.reports.bucket',
              message: `\`${reports}\` is the bucket of \`${owner.name}\` already`,
              suggest: 'give the reports a bucket of their own',
            },
          ]
        : []),
    ]
  },
}
