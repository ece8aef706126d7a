import packageFile from '../../../package.json' with { type: 'json' }

/** What a receipt says of the agent that wrote it: its version, and which packages its image holds, as its labels do. */
export function agentVersions(): Record<string, string> {
  const image = process.env.BACKUP_IMAGE
  return { agent: packageFile.version, ...(image && { image }) }
}
