import { kindOf } from '../../kinds/index.ts'
import type { Config } from '../schema.ts'
import { placeOf, type Rule } from './rule.ts'

export const imageNotPinned: Rule = {
  id: 'image-not-pinned',
  description: 'An image without a fixed tag or digest can change although the config has not.',
  check: config =>
    images(config).flatMap(({ path, image }) =>
      pinned(image)
        ? []
        : [
            {
              path,
              message: `\`${image}\` is not pinned`,
              suggest: 'name a version: `image:1.2.3` or `image@sha256:…`, not `latest` or `stable`',
            },
          ],
    ),
}

function images(config: Config): { path: string; image: string }[] {
  return [
    { path: 'agent.image', image: config.agent.image },
    { path: 'agent.drillImage', image: config.agent.drillImage },
    { path: 'executionEnvironment', image: config.executionEnvironment },
    ...(config.statusService ? [{ path: 'statusService.image', image: config.statusService.image }] : []),
    ...config.systems.flatMap((system, index) =>
      kindOf(system)
        .images(system)
        .map(({ key, image }) => ({ path: placeOf(config, index, key), image })),
    ),
  ]
}

function pinned(image: string): boolean {
  if (image.includes('@')) return true
  const tag = /:([^:/]+)$/.exec(image)?.[1]
  return tag !== undefined && !['latest', 'stable', 'main', 'master', 'devel'].includes(tag)
}
