/** Bytes for people: `3.4 GiB`. */
export function inBytes(bytes: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB']
  let value = bytes
  let unit = 0
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024
    unit += 1
  }
  return `${unit === 0 || value >= 100 ? Math.round(value) : value.toFixed(1)} ${units[unit]}`
}

/** A change for people: `+3 %`, `-12 %`, `±0 %`. */
export function inPercent(ratio: number): string {
  const percent = Math.round(ratio * 100)
  return `${percent > 0 ? '+' : percent === 0 ? '±' : ''}${percent} %`
}

/** A moment for people, in UTC: `2026-01-31 03:07Z`. */
export function atMinute(at: Date): string {
  return `${at.toISOString().slice(0, 16).replace('T', ' ')}Z`
}
