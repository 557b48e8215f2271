/** The worklist's further filters, changes of many jobs, and its first steps, in Spanish. */
export const esWorklist = {
  filters: {
    more: 'Más filtros y orden',
    deployment: 'Despliegue',
    anyDeployment: 'Cualquiera',
    side: 'Sospecha',
    anySide: 'Cualquiera',
    sides: { above: 'En el umbral o por encima', below: 'Por debajo del umbral' },
    from: 'Enviado desde',
    until: 'Enviado hasta',
    sort: 'Orden',
    newest: 'Más recientes',
    oldest: 'Más antiguos',
  },
  bulk: {
    all: 'Seleccionar todos los mostrados',
    cancel: 'Cancelarlos',
    cancelTitle: { one: '¿Cancelar {n} trabajo?', other: '¿Cancelar {n} trabajos?' },
    cancelText: 'Los trabajos que han terminado quedan como están. Los cancelados pueden reintentarse más tarde.',
    cancelDone: { one: '{n} trabajo cancelado', other: '{n} trabajos cancelados' },
    retry: 'Reintentarlos',
    retryTitle: { one: '¿Reintentar {n} trabajo?', other: '¿Reintentar {n} trabajos?' },
    retryText: 'Los trabajos fallidos y cancelados vuelven a la cola con el mismo modelo. Los demás quedan como están.',
    retryDone: { one: '{n} trabajo está de nuevo en la cola', other: '{n} trabajos están de nuevo en la cola' },
    refused: {
      one: '{n} estaba en un estado que no lo permite.',
      other: '{n} estaban en un estado que no lo permite.',
    },
    notFound: { one: '{n} ya no existe.', other: '{n} ya no existen.' },
  },
  firstSteps: {
    token: 'Crear un token para un programa',
    hint: 'Sirve cualquier mamografía: archivos DICOM o imágenes corrientes, un estudio o una carpeta entera. Un programa envía estudios con un token.',
  },
};
