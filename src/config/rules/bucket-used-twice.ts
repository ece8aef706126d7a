import { placeOf, type Rule, repeated } from './rule.ts'

export const bucketUsedTwice: Rule = {
  id: 'bucket-used-twice',
  description:
    "A bucket belongs to one system: in a shared one, one system's pruning or mirror removes the other's copies.",
  check: config =>
    repeated(
      config.systems,
      s => s.bucket,
      (system, first, index) => ({
        path: placeOf(config, index, 'bucket'),
        message: `\`${system.bucket}\` is the bucket of \`${first.name}\` already`,
        suggest: 'give each system a bucket of its own',
      }),
    ),
}
