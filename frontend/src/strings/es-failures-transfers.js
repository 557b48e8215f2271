/** Failures of uploads, archives, batches, webhooks and quotas, in Spanish, by their codes. */
const said = (title, message, action) => ({ title, message, action });

export const esFailuresTransfers = {
  'input:unknown_upload': said(
    'Envío desconocido',
    'Su centro no tiene ningún envío con ese identificador.',
    'Cree antes el envío; uno caducado debe enviarse de nuevo.',
  ),
  'input:upload_offset_mismatch': said(
    'Posición incorrecta',
    'El fragmento no empieza donde termina lo recibido hasta ahora.',
    'Pregunte la posición con HEAD y continúe desde ahí.',
  ),
  'input:upload_busy': said(
    'Envío en curso',
    'Otra solicitud está enviando bytes a este envío.',
    'Espere unos segundos, pregunte la posición con HEAD y continúe desde ahí.',
  ),
  'input:upload_checksum_mismatch': said(
    'La suma de verificación no coincide',
    'Los bytes recibidos no son los anunciados.',
    'Envíelos de nuevo; el envío continúa donde indica su posición, o desde el principio si todo el archivo era incorrecto.',
  ),
  'input:upload_length_exceeded': said(
    'Más bytes de los anunciados',
    'El fragmento supera la longitud con la que se creó el envío.',
    'Cree un envío con la longitud real del archivo.',
  ),
  'input:upload_too_slow': said(
    'Demasiado lento',
    'Los bytes llegaron más despacio de lo que este servidor espera; lo recibido se conserva.',
    'Pregunte la posición con HEAD y continúe desde ahí, con una conexión mejor.',
  ),
  'input:upload_interrupted': said(
    'Conexión perdida',
    'La conexión terminó antes que la solicitud; lo recibido se conserva.',
    'Pregunte la posición con HEAD y continúe desde ahí.',
  ),
  'input:upload_incomplete': said(
    'Envío incompleto',
    'El envío no ha recibido todos sus bytes.',
    'Envíe antes el resto.',
  ),
  'input:upload_consumed': said(
    'Envío ya utilizado',
    'El envío ya se entregó, o pertenece a otra cosa.',
    'Envíe de nuevo el archivo si vuelve a hacer falta.',
  ),
  'input:upload_gone': said(
    'Envío desaparecido',
    'El envío caducó, se rechazó o se terminó.',
    'Cree un envío nuevo y envíe otra vez el archivo.',
  ),
  'input:upload_wrong_kind': said(
    'Tipo de envío incorrecto',
    'Un estudio necesita archivos sueltos; un archivo comprimido se envía como lote.',
    'Cree un lote con el archivo comprimido, o envíe los archivos uno a uno.',
  ),
  'input:too_many_uploads': said(
    'Demasiados envíos a la vez',
    'Su centro tiene tantos envíos sin terminar, o tantas conexiones enviando, como puede tener.',
    'Termine o cierre algunos y continúe.',
  ),
  'input:upload_space_used_up': said(
    'Espacio de envíos agotado',
    'Los envíos de su centro ocupan tantos bytes como pueden.',
    'Espere a que se procesen envíos, o termine algunos.',
  ),
  'input:archive_corrupt': said(
    'Archivo comprimido ilegible',
    'El archivo no es un ZIP, o está dañado o incompleto.',
    'Cree de nuevo el archivo comprimido y reenvíelo.',
  ),
  'input:archive_too_large': said(
    'Archivo comprimido demasiado grande',
    'Desempaquetado, ocupa más de lo que acepta este servidor.',
    'Divídalo en varios archivos comprimidos.',
  ),
  'input:archive_too_many_entries': said(
    'Demasiadas entradas',
    'El archivo comprimido, o el lugar indicado, contiene más entradas de las que acepta este servidor.',
    'Divídalo en varios.',
  ),
  'input:archive_overlapping': said(
    'El archivo comprimido se solapa',
    'Hay entradas que comparten los mismos bytes, como en una bomba de descompresión; no se leyó nada.',
    'Cree el archivo comprimido con un programa corriente.',
  ),
  'input:archive_empty': said(
    'Sin imágenes',
    'El archivo comprimido, o el lugar indicado, no contiene ninguna imagen.',
    'Envíe archivos DICOM, PNG o JPEG.',
  ),
  'input:entry_unsafe_name': said(
    'Nombre no seguro',
    'El nombre de la entrada apunta fuera del archivo comprimido, o no puede ser el de un archivo.',
    'Cree el archivo comprimido con nombres relativos.',
  ),
  'input:entry_special_file': said(
    'No es un archivo corriente',
    'La entrada es un enlace, un dispositivo u otro archivo especial; no se siguió.',
    'Envíe el propio archivo.',
  ),
  'input:entry_encrypted': said(
    'Entrada cifrada',
    'La entrada está protegida con una contraseña.',
    'Cree el archivo comprimido sin contraseña; la conexión va cifrada.',
  ),
  'input:entry_nested_archive': said(
    'Archivo comprimido dentro de otro',
    'La entrada es a su vez un archivo comprimido; no se desempaquetó.',
    'Desempaquételo antes, o envíelo por separado.',
  ),
  'input:entry_duplicate_name': said(
    'El mismo nombre dos veces',
    'Una entrada anterior tiene el mismo nombre; solo se leyó aquella.',
    'Dé a cada archivo su propio nombre.',
  ),
  'input:entry_ratio': said(
    'Compresión sospechosa',
    'La entrada está mucho más comprimida de lo que puede estarlo una imagen.',
    'Envíe la imagen sin comprimir, o con una compresión corriente.',
  ),
  'input:entry_corrupt': said(
    'Entrada dañada',
    'La entrada no se puede desempaquetar, o su suma de verificación es incorrecta.',
    'Cree de nuevo el archivo comprimido y reenvíelo.',
  ),
  'input:entry_unsupported_compression': said(
    'Compresión no admitida',
    'La entrada está comprimida de un modo que este servidor no lee.',
    'Use entradas sin comprimir o con deflate.',
  ),
  'input:entry_ignored': said(
    'No es una imagen; ignorado',
    'La entrada es un archivo que acompaña a las imágenes, como DICOMDIR; se dejó de lado.',
    'No hay que hacer nada.',
  ),
  'input:prefix_not_allowed': said(
    'Lugar no permitido',
    'Su centro no puede importar desde esta dirección.',
    'Pregunte al operador qué direcciones están abiertas a su centro.',
  ),
  'input:prefix_unreadable': said(
    'Lugar ilegible',
    'En la dirección no hay nada, o no se puede leer.',
    'Compruebe la dirección; pregunte al operador si este servidor puede leerla.',
  ),
  'input:too_many_items': said(
    'Demasiados elementos',
    'Un lote no puede contener tantos elementos.',
    'Divídalo en varios lotes.',
  ),
  'input:duplicate_study': said(
    'Enviado antes',
    'El centro ya envió exactamente los mismos archivos y tiene un resultado; el lote rechaza esos estudios.',
    'Use el resultado anterior, o libere el elemento con «duplicates»: «rerun».',
  ),
  'input:batch_expired': said(
    'Lote caducado',
    'El lote caducó antes de que este elemento terminara.',
    'Reintente los elementos cancelados del lote, o envíelos en un lote que pueda durar más.',
  ),
  'input:batch_empty': said(
    'Lote vacío',
    'El lote se inició y no contiene ningún elemento.',
    'Cree un lote nuevo con elementos, archivos comprimidos o prefijos.',
  ),
  'input:webhook_address_refused': said(
    'Dirección no permitida',
    'No se envían webhooks a esta dirección.',
    'Indique una URL https con una dirección pública, o pida al operador que la permita.',
  ),
  'input:webhook_inactive': said(
    'Webhook desactivado',
    'No se envía nada a un webhook desactivado.',
    'Actívelo (is_active) y vuelva a pedirlo.',
  ),
  'input:too_many_webhooks': said(
    'Demasiados webhooks',
    'El centro tiene tantos webhooks como puede tener.',
    'Elimine uno que no se use.',
  ),
  'input:unknown_event_type': said(
    'Tipo de evento desconocido',
    'No existe ningún evento de este tipo.',
    'Tome los tipos de /api/v1/docs, o ninguno para recibirlos todos.',
  ),
  'input:too_many_events': said(
    'Demasiados eventos',
    'Entre los dos momentos hay más eventos de los que se reenvían de una vez.',
    'Pida un periodo más corto.',
  ),
  'input:quota_queued_jobs': said(
    'Demasiados trabajos en espera',
    'Esperan tantos trabajos de su centro como pueden esperar a la vez.',
    'Envíe más cuando hayan terminado algunos, o pida al administrador de la plataforma una cuota mayor.',
  ),
  'input:quota_studies_per_day': said(
    'Cuota diaria agotada',
    'Su centro ha enviado hoy (UTC) tantos estudios como puede en un día.',
    'Envíe más después de la medianoche UTC, o pida al administrador de la plataforma una cuota mayor.',
  ),
  'input:quota_storage': said(
    'Cuota de almacenamiento agotada',
    'Las imágenes de su centro ocupan tanto almacenamiento como pueden.',
    'Pida al administrador de la plataforma una cuota mayor o un plazo de conservación más corto.',
  ),
};
