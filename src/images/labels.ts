import type { ImageName } from './chosen.ts'
import { contentOf, type LockedPackage } from './lock.ts'

/** The images whose content is recorded in their labels, and in the receipts of their agent. */
const labelled: readonly ImageName[] = ['agent', 'drill']

/** The lines of a Containerfile that record an image's content: for `docker inspect`, and for the agent's receipts. */
function labelLines(image: ImageName, locked: readonly LockedPackage[]): string[] {
  const { packages, postgres } = contentOf(image, locked)
  return [
    `LABEL io.fragalysis.backups.image="${image}" io.fragalysis.backups.packages="${packages}" io.fragalysis.backups.postgres="${postgres.join(' ')}"`,
    `ENV BACKUP_IMAGE="${image} ${packages}"`,
  ]
}

/** A Containerfile with its label lines replaced by those of the lock file. */
export function withLabels(containerfile: string, locked: readonly LockedPackage[]): string {
  return labelled.reduce((text, image) => {
    const [label = '', variable = ''] = labelLines(image, locked)
    return text
      .replace(new RegExp(`^LABEL io\\.fragalysis\\.backups\\.image="${image}".*$`, 'm'), label)
      .replace(new RegExp(`^ENV BACKUP_IMAGE="${image} .*$`, 'm'), variable)
  }, containerfile)
}
