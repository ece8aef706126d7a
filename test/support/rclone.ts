import { execa } from 'execa'

/** Run rclone on the store that the variables of the contract name, as `remote:`. @returns all that it said */
export async function rclone(env: Record<string, string>, args: string[]): Promise<string> {
  const { all } = await execa('rclone', args, { all: true, extendEnv: false, env: rcloneEnvironment(env) })
  return all
}

/** The remote as rclone takes it from its environment. */
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
