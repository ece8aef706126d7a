import { execa } from 'execa'

/**
 * Run rclone on the store configured by the contract's variables, as `remote:`.
 * @returns all of its output
 */
export async function rclone(env: Record<string, string>, args: string[]): Promise<string> {
  const { all } = await execa('rclone', args, { all: true, extendEnv: false, env: rcloneEnvironment(env) })
  return all
}

/** The remote, as rclone reads it from its environment. */
export function rcloneEnvironment(env: Record<string, string>): Record<string, string> {
  return {
    PATH: process.env.PATH ?? '',
    RCLONE_CONFIG: '/dev/null',
    RCLONE_CONFIG_REMOTE_TYPE: 's3',
    RCLONE_CONFIG_REMOTE_PROVIDER: 'Ceph',
    RCLONE_CONFIG_REMOTE_ENDPOINT: env.RCLONE_S3_ENDPOINT ?? '',
    RCLONE_CONFIG_REMOTE_ACCESS_KEY_ID: env.AWS_ACCESS_KEY_ID ?? '',
    RCLONE_CONFIG_REMOTE_SECRET_ACCESS_KEY: env.AWS_SECRET_ACCESS_KEY ?? '',
  }
}
