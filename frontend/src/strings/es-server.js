/**
 * What the server says in English, in Spanish: failures and cautions by their codes, and sentences that rest on figures of the
 * answer. English has no such catalogue: its words are the server's. src/server-words.js puts these in their place.
 */
import { esFailuresInput } from './es-failures-input.js';
import { esFailuresModel } from './es-failures-model.js';
import { esFailuresTransfers } from './es-failures-transfers.js';
import { esFields } from './es-fields.js';

export const esServer = {
  failures: { ...esFailuresInput, ...esFailuresTransfers, ...esFailuresModel },
  fields: esFields,
  disclaimer:
    'Solo para investigación. MammoServe no es un producto sanitario; sus resultados no deben usarse para el diagnóstico ni para ninguna decisión sobre una paciente.',
  /** Refusals of the request itself. Where a part is missing, the server's own says something of this one case. */
  problems: {
    'request:malformed': { title: 'Solicitud mal formada' },
    'request:not_found': {
      title: 'No encontrado',
      message: 'En esta dirección no hay nada para su centro.',
      action: 'Compruebe la dirección.',
    },
    'request:method_not_allowed': {
      title: 'Método no permitido',
      message: 'Esta dirección no responde a este método.',
      action: 'Use un método nombrado en la cabecera Allow.',
    },
    'request:not_acceptable': {
      title: 'No aceptable',
      message: 'La respuesta no se puede dar en la forma pedida.',
      action: 'Acepte application/json.',
    },
    'request:unsupported_media_type': { title: 'Tipo de contenido no admitido' },
    'request:too_many': {
      title: 'Demasiadas solicitudes',
      message: 'Demasiadas solicitudes en poco tiempo.',
      action: 'Espere un momento e inténtelo de nuevo.',
    },
    'request:rate_limited': {
      title: 'Demasiadas solicitudes',
      action: 'Espere un momento e inténtelo de nuevo.',
    },
    'request:idempotency_in_progress': {
      title: 'Todavía en curso',
      message: 'Una solicitud anterior con esta Idempotency-Key sigue en curso.',
      action: 'Espere unos segundos e inténtelo de nuevo; traerá la respuesta de la primera.',
    },
    'request:idempotency_key_malformed': {
      title: 'Solicitud mal formada',
      message: 'La Idempotency-Key está vacía, tiene más de 255 caracteres o no es ASCII imprimible.',
      action: 'Envíe un UUID aleatorio con cada solicitud nueva, y el mismo cuando la repita.',
    },
    'request:idempotency_key_reused': {
      title: 'Clave usada para otra cosa',
      message: 'Esta Idempotency-Key ya se envió con otro contenido o a otra dirección.',
      action: 'Cree una clave nueva para cada solicitud nueva; repita una clave solo para repetir la misma solicitud.',
    },
    'request:last_administrator': {
      title: 'El último administrador',
      message: 'Nadie podría ya administrarlo.',
      action: 'Nombre antes administrador a otra persona; un centro debe cerrarlo un administrador de otro centro.',
    },
    'request:tus_version': {
      title: 'Versión de tus no admitida',
      message: 'La solicitud no es de la versión del protocolo tus que se habla aquí.',
    },
    'auth:required': {
      title: 'Sin sesión',
      message: 'Esta dirección necesita una sesión o un token de acceso.',
      action: 'Inicie sesión.',
    },
    'auth:forbidden': {
      title: 'No permitido',
      message: 'Su rol no lo permite.',
      action: 'Hable con un administrador de su centro.',
    },
    'auth:invalid_token': {
      title: 'Token no válido',
      message: 'El token de acceso es desconocido, caducó, se revocó o no está activo.',
      action: 'Inicie sesión, o use un token válido.',
    },
    'auth:invalid_credentials': {
      title: 'No se pudo iniciar sesión',
      message: 'El nombre de usuario o la contraseña no son correctos.',
      action: 'Compruebe ambos e inténtelo de nuevo.',
    },
    'auth:too_many_attempts': {
      title: 'Demasiados intentos',
      message: 'Demasiados inicios de sesión fallidos.',
      action: 'Espere un momento e inténtelo de nuevo.',
    },
    'auth:password_change_required': {
      title: 'Hay que cambiar la contraseña',
      message: 'Su contraseña se la dio un administrador.',
      action: 'Elija una contraseña propia.',
    },
    'auth:csrf_failed': {
      title: 'No permitido',
      message: 'Falta el token CSRF o no coincide.',
      action: 'Vuelva a cargar la página e inténtelo de nuevo.',
    },
    'job:no_result': {
      title: 'Sin resultado',
      message: 'El trabajo no tiene resultado; lo hay cuando termina bien.',
      action: 'Siga el trabajo hasta que termine, o mire por qué falló.',
    },
    'job:not_cancellable': {
      title: 'No se puede cancelar',
      message: 'El trabajo ya no está en un estado que lo permita.',
      action: 'Mire en qué estado está ahora.',
    },
    'job:not_retryable': {
      title: 'No se puede reintentar',
      message: 'El trabajo no está en un estado que lo permita.',
      action: 'Mire en qué estado está ahora.',
    },
    'job:not_replayable': {
      title: 'No se puede reproducir',
      message: 'Solo se reproduce un trabajo que terminó con resultado.',
      action: 'Mire en qué estado está ahora.',
    },
    'batch:not_open': {
      title: 'No está abierto',
      message: 'Solo se pueden añadir elementos a un lote, e iniciarlo, mientras está abierto.',
      action: 'Cree un lote nuevo para más elementos.',
    },
    'batch:not_cancellable': {
      title: 'No se puede cancelar',
      message: 'El lote ha terminado.',
      action: 'No hay que hacer nada.',
    },
    'batch:nothing_to_retry': {
      title: 'Nada que reintentar',
      message: 'El lote no tiene elementos en esos estados que se puedan intentar de nuevo ahora.',
      action: 'Mire las cuentas del lote; si se está cancelando, espere a que termine.',
    },
    'quarantine:not_held': {
      title: 'Ya no está apartado',
      message: 'El elemento ya no está en cuarentena.',
      action: 'Mire en su lote qué fue de él.',
    },
    'system:database_unavailable': {
      title: 'Base de datos no disponible',
      message: 'La base de datos no responde o está demasiado ocupada.',
      action: 'Inténtelo de nuevo en unos segundos; avise al operador si persiste.',
    },
  },
  cautions: {
    no_breast_found: 'No se encontró ninguna mama en esta imagen, así que no se valoró.',
    view_unknown: 'La imagen no dice qué proyección es.',
    laterality_unknown: 'La imagen no dice qué mama muestra.',
    view_outside_intended_use: 'El modelo no se hizo para esta proyección; su respuesta es menos fiable.',
    modality_outside_intended_use: 'El modelo no se hizo para este tipo de adquisición; su respuesta es menos fiable.',
    window_assumed: 'La imagen no dice cómo mostrarla; se dedujo una ventana de sus propios valores.',
    // of two packages side by side: what each declares
    labels_reordered:
      'Las etiquetas son las mismas pero en otro orden: izquierda {left}; derecha {right}. Lea las puntuaciones por su etiqueta, nunca por su posición.',
    labels_differ:
      'Las etiquetas difieren: izquierda {left}; derecha {right}. Los resultados de ambos no se pueden comparar etiqueta por etiqueta.',
    tasks_differ: 'Las tareas difieren: izquierda {left}, derecha {right}.',
    suspicion_differs:
      'La sospecha significa otra cosa: izquierda {left}, derecha {right}. El orden de la lista de trabajo cambiará de significado.',
    threshold_differs:
      'Otro punto de operación: la sospecha se marca por encima de {left} a la izquierda y de {right} a la derecha.',
    preprocessing_differs:
      'Las imágenes se preparan de otra manera, así que puede que uno no valore proyecciones que el otro sí valora.',
    heatmaps_differ: 'Los mapas de calor se hacen de otra manera: izquierda {left}, derecha {right}.',
    views_differ: 'Se hicieron para proyecciones distintas: izquierda {left}, derecha {right}.',
    acquisitions_differ: 'Se hicieron para adquisiciones distintas: izquierda {left}, derecha {right}.',
  },
  /** What lengths rest on, by the plane of the pixel spacing. */
  measuring: {
    patient: 'Las longitudes se basan en el espaciado de píxeles calibrado en la mama.',
    detector:
      'Las longitudes se basan en el espaciado de píxeles en el detector: la magnificación no está corregida, así que las longitudes reales son menores.',
    unstated:
      'Las longitudes se basan en el espaciado de píxeles de la imagen; no dice si es el de la mama o el del detector.',
    none: 'La imagen no indica un espaciado de píxeles, así que las longitudes están en píxeles.',
  },
  /** What areas rest on, likewise, or that nothing was segmented. */
  segmentation: {
    patient: 'El espaciado de píxeles está calibrado en la mama.',
    detector:
      'El espaciado de píxeles es el del detector: la magnificación no está corregida, así que el área real es menor.',
    unstated: 'La imagen no dice si su espaciado de píxeles es el de la mama o el del detector.',
    none: 'La imagen no indica un espaciado de píxeles, así que no hay área en milímetros cuadrados.',
    nothing:
      'No se segmentó ninguna lesión: la máscara no alcanza el {threshold} en ninguna parte. Su probabilidad máxima es {maximum}.',
  },
  /** What the colours of a heatmap mean, by its scaling. */
  scaling: {
    package_reference:
      'Los colores van de 0 al valor de referencia del paquete para este objetivo, igual en todas las imágenes. El punto más intenso de esta imagen alcanza el {reach}.',
    image_maximum:
      'Los colores van de 0 al valor más alto de cualquier objetivo en esta imagen, así que no se pueden comparar con los de otra.',
  },
  /** By what was measured; {where}, {value} and {threshold} come with the alert. */
  alerts: {
    failure_share: '{where}: en las últimas 24 horas falló el {value} de los trabajos (alerta desde {threshold}).',
    latency_p95:
      '{where}: en las últimas 24 horas el 95 % de los trabajos tardó hasta {value} (alerta desde {threshold}).',
    not_assessable_share:
      '{where}: en las últimas 24 horas el {value} de los resultados no es valorable (alerta desde {threshold}).',
    drift_suspicion:
      '{where}: en las últimas 24 horas la distribución de la sospecha se ha desplazado: PSI {value} (alerta desde {threshold}).',
    drift_brightness:
      '{where}: en las últimas 24 horas la distribución del brillo se ha desplazado: PSI {value} (alerta desde {threshold}).',
    drift_manufacturer:
      '{where}: en las últimas 24 horas la distribución de fabricantes se ha desplazado: PSI {value} (alerta desde {threshold}).',
    drift_size:
      '{where}: en las últimas 24 horas la distribución del tamaño de imagen se ha desplazado: PSI {value} (alerta desde {threshold}).',
    queue_wait: 'La orden más antigua ha esperado {value}. Mire los procesos de inferencia.',
  },
};
