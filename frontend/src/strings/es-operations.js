/** El panel de quienes operan: su intervalo, el tiempo desde el envío hasta el resultado y las etapas de una ejecución. */
export const esOperations = {
  operationsTime: {
    window: 'Intervalo',
    windows: { w1h: 'Una hora', w24h: 'Un día', w7d: 'Una semana' },
    last: { w1h: 'última hora', w24h: 'últimas 24 horas', w7d: 'últimos 7 días' },
    step: { w1h: 'Cinco minutos desde', w24h: 'Hora desde', w7d: 'Seis horas desde' },
    throughputChart: 'Trabajos terminados, por intervalo',
    total: 'Del envío al resultado',
    totalChart: 'Segundos del envío al resultado, por intervalo',
    median: 'Mediana',
    p95: '95 % en menos de',
    summary:
      'La mitad de {jobs} resultados llegó en {p50} y el 95 % en {p95}. El intervalo más lento empezó {at}: 95 % en {worst}.',
    summaryNone: 'Ningún resultado en este intervalo.',
    totalMedian: 'Mediana hasta el resultado',
    total_seconds: 'Del envío al resultado',
    stages: 'Etapas de una ejecución',
    stage: 'Etapa',
    stagesNone: 'No se ha medido ninguna ejecución en este intervalo.',
    kinds: { batches: 'Lotes', webhooks: 'Webhooks' },
    missingTitle: 'No está en marcha: {kinds}',
    missingText: 'Inicie lo que falta o consulte su registro. /readyz dice lo mismo.',
  },
};
