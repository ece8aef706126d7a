import type { Rule } from './rule.ts'

export const imageNotTagged: Rule = {
  id: 'image-not-tagged',
  description: "The drill's image is the agent's with `-drill` after its tag; a digest names one image only.",
  check: ({ agent }) =>
    agent.image.includes('@')
      ? [
          {
            path: 'agent.image',
            message: 'is pinned by a digest, from which the name of the drill image cannot be made',
            suggest: 'pin it by a version: `image:1.2.3`',
          },
        ]
      : [],
}
