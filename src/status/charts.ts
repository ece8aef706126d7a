import { HeatmapChart, LineChart } from 'echarts/charts'
import { CalendarComponent, GridComponent, VisualMapComponent } from 'echarts/components'
import { type EChartsCoreOption, init, use } from 'echarts/core'
import { SVGRenderer } from 'echarts/renderers'
import { escapeHtml } from './html.ts'

use([CalendarComponent, GridComponent, VisualMapComponent, HeatmapChart, LineChart, SVGRenderer])

/** A value at a moment. */
export type Point = readonly [at: Date, value: number]

// More points than this are reduced to the maximum of their neighbours: a line of this width cannot show more.
const POINTS = 180
const DAY_MS = 86_400_000
const SIZE = { width: 340, height: 130 }

/**
 * A line over time as SVG.
 *
 * @param label read out by screen readers instead
 * @param inWords formats a value for the axis
 */
export function lineChart(points: readonly Point[], label: string, inWords: (value: number) => string): string {
  const times = points.map(([at]) => at.getTime())
  const [first, last] = [Math.min(...times), Math.max(...times)]
  // A single point is drawn in the middle of a day.
  const [from, to] = first === last ? [first - DAY_MS / 2, last + DAY_MS / 2] : [first, last]
  return draw(
    {
      grid: { left: 78, right: 14, top: 10, bottom: 24 },
      xAxis: {
        type: 'value',
        min: from,
        max: to,
        interval: (to - from) / 2,
        splitLine: { show: false },
        axisLabel: {
          fontSize: 11,
          alignMaxLabel: 'right',
          formatter: (ms: number) => new Date(ms).toISOString().slice(0, 10),
        },
      },
      yAxis: { type: 'value', min: 0, splitNumber: 2, axisLabel: { fontSize: 11, formatter: inWords } },
      series: [
        {
          type: 'line',
          data: thinned(points).map(([at, value]) => [at.getTime(), value]),
          // A single point has no line.
          showSymbol: points.length < 20,
          symbolSize: 5,
          lineStyle: { width: 1.5, color: LINE },
          itemStyle: { color: LINE },
          areaStyle: { color: LINE, opacity: 0.12 },
        },
      ],
    },
    SIZE,
    label,
  )
}

/** The result of a day: a copy was made, or one was due and none was made. */
export type Day = readonly [day: string, what: 'copy' | 'missing']

/** Half a year of days as SVG, one column a week. */
export function calendar(days: readonly Day[], range: readonly [string, string], label: string): string {
  return draw(
    {
      calendar: {
        range,
        top: 22,
        left: 38,
        right: 6,
        cellSize: ['auto', 11],
        splitLine: { show: false },
        itemStyle: { color: 'transparent', borderWidth: 1, borderColor: GRID },
        dayLabel: { firstDay: 1, nameMap: ['', 'Mon', '', 'Wed', '', 'Fri', ''] },
        yearLabel: { show: false },
      },
      visualMap: {
        show: false,
        type: 'piecewise',
        dimension: 1,
        pieces: [
          { value: 1, color: LINE },
          { value: 0, color: MISSING },
        ],
      },
      series: [
        {
          type: 'heatmap',
          coordinateSystem: 'calendar',
          data: days.map(([day, what]) => [day, what === 'copy' ? 1 : 0]),
        },
      ],
    },
    { width: 340, height: 108 },
    label,
  )
}

// Visible on white and on black; red and blue can be distinguished with any colour vision.
const LINE = '#3b82c4'
const MISSING = '#d1453b'
const GRID = '#8884'

function draw(option: EChartsCoreOption, size: { width: number; height: number }, label: string): string {
  const chart = init(null, null, { renderer: 'svg', ssr: true, ...size })
  chart.setOption({ animation: false, textStyle: { fontFamily: 'inherit' }, ...option })
  const svg = chart.renderToSVGString({ useViewBox: true })
  chart.dispose()
  return svg.replace(/^<svg/, `<svg role="img" aria-label="${escapeHtml(label)}"`)
}

function thinned(points: readonly Point[]): readonly Point[] {
  if (points.length <= POINTS) return points
  const size = points.length / POINTS
  return Array.from({ length: POINTS }, (_, index) => {
    const some = points.slice(Math.floor(index * size), Math.floor((index + 1) * size))
    return some.reduce((most, point) => (point[1] > most[1] ? point : most))
  })
}
