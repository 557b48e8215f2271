/** Failures of what was sent, in Spanish, by their codes in inference_worker/contract/failures.py: studies, requests, deployments. */
const said = (title, message, action) => ({ title, message, action });

export const esFailuresInput = {
  'input:no_files': said(
    'Sin archivos',
    'La solicitud no contiene ningún archivo.',
    'Envíe al menos un archivo en el campo multipart «files».',
  ),
  'input:too_many_files': said(
    'Demasiados archivos',
    'El estudio contiene más archivos de los que puede tener uno.',
    'Divida el envío: una solicitud por estudio.',
  ),
  'input:too_large': said(
    'Archivo demasiado grande',
    'Un archivo es mayor de lo que acepta este servidor.',
    'Envíe archivos por debajo del límite, o pida al operador que lo aumente.',
  ),
  'input:empty_file': said(
    'Archivo vacío',
    'El archivo no contiene ningún byte.',
    'Exporte de nuevo la imagen y reenvíela.',
  ),
  'input:not_an_image': said(
    'No es una imagen',
    'El archivo no es DICOM, PNG ni JPEG.',
    'Envíe la mamografía como DICOM, PNG o JPEG.',
  ),
  'input:not_mammography': said(
    'No es una mamografía',
    'El objeto DICOM no es una imagen de mamografía.',
    'Envíe objetos de modalidad MG, o película digitalizada marcada como mamografía (RG, CR o Secondary Capture).',
  ),
  'input:unsupported_sop_class': said(
    'Tipo de objeto DICOM no admitido',
    'Este tipo de objeto DICOM se reconoce, pero aquí no se lee.',
    'Envíe imágenes Digital Mammography X-Ray For Presentation.',
  ),
  'input:for_processing': said(
    'Imagen bruta del detector',
    'La imagen es For Processing: datos brutos del detector, que ningún modelo instalado lee.',
    'Envíe la imagen For Presentation de la misma proyección.',
  ),
  'input:tomosynthesis': said(
    'Tomosíntesis',
    'La tomosíntesis de mama se reconoce, pero ningún modelo instalado la lee.',
    'Envíe la mamografía 2D, o la proyección 2D sintetizada For Presentation.',
  ),
  'input:multi_frame': said(
    'Varios fotogramas',
    'La imagen contiene más de un fotograma.',
    'Envíe mamografías de un solo fotograma.',
  ),
  'input:unsupported_transfer_syntax': said(
    'Sintaxis de transferencia no admitida',
    'Los píxeles están comprimidos de un modo que este servidor no lee.',
    'Envíelos sin comprimir, o en JPEG, JPEG Lossless, JPEG-LS, JPEG 2000 o RLE.',
  ),
  'input:unsupported_photometric_interpretation': said(
    'Interpretación fotométrica no admitida',
    'La imagen no está en escala de grises.',
    'Envíe imágenes MONOCHROME1 o MONOCHROME2.',
  ),
  'input:unsupported_pixel_format': said(
    'Formato de píxel no admitido',
    'El formato de píxel almacenado no se puede leer como imagen en grises.',
    'Envíe imágenes en grises de 8 a 16 bits.',
  ),
  'input:no_pixel_data': said(
    'Sin píxeles',
    'El objeto DICOM no contiene píxeles.',
    'Envíe objetos de imagen, no informes ni datos estructurados.',
  ),
  'input:pixel_data_truncated': said(
    'Píxeles incompletos',
    'Los datos de píxeles terminan antes de que la imagen esté completa.',
    'Exporte de nuevo la imagen y reenvíela.',
  ),
  'input:file_truncated': said(
    'Archivo incompleto',
    'El archivo termina a la mitad.',
    'Exporte de nuevo la imagen y reenvíela.',
  ),
  'input:pixel_data_corrupt': said(
    'Píxeles dañados',
    'Los datos de píxeles no se pueden decodificar.',
    'Exporte de nuevo la imagen y reenvíela.',
  ),
  'input:header_corrupt': said(
    'Cabecera dañada',
    'No se puede leer la cabecera del archivo.',
    'Exporte de nuevo la imagen y reenvíela.',
  ),
  'input:dimensions_too_large': said(
    'Imagen demasiado grande',
    'La imagen declara más píxeles de los que tiene cualquier mamografía.',
    'Envíe la mamografía original; por encima del límite de píxeles no se decodifica nada.',
  ),
  'input:dimensions_too_small': said(
    'Imagen demasiado pequeña',
    'La imagen es demasiado pequeña para ser una mamografía.',
    'Envíe la mamografía original, no una miniatura.',
  ),
  'input:mixed_patients': said(
    'Varias pacientes en un estudio',
    'Los archivos pertenecen a pacientes distintas.',
    'Envíe una solicitud por paciente y estudio.',
  ),
  'input:mixed_studies': said(
    'Varios estudios en una solicitud',
    'Los archivos pertenecen a estudios distintos.',
    'Envíe una solicitud por estudio.',
  ),
  'input:duplicate_file': said(
    'La misma imagen dos veces',
    'La solicitud contiene la misma imagen más de una vez.',
    'Envíe cada imagen una sola vez.',
  ),
  'input:burned_in_annotation': said(
    'Texto incrustado en la imagen',
    'La imagen dice que puede haber texto identificativo incrustado en sus píxeles.',
    'Elimine el texto de los píxeles y ponga Burned In Annotation en NO.',
  ),
  'input:invalid_field': said(
    'Campo no válido',
    'Un campo de la solicitud no es válido.',
    'Corrija los campos indicados en «errors».',
  ),
  'input:unknown_deployment': said(
    'Despliegue desconocido',
    'Ningún despliegue de este centro tiene ese nombre.',
    'Deje el campo vacío para usar el predeterminado, o pida los nombres al administrador.',
  ),
  'input:cancelled': said(
    'Cancelado',
    'El trabajo se canceló antes de terminar.',
    'Reintente el trabajo si aún desea el resultado.',
  ),
  'input:unknown_package': said(
    'Paquete desconocido',
    'Ningún paquete instalado tiene esa huella.',
    'Consulte la lista de paquetes e indique una huella de ella.',
  ),
  'input:not_an_archive': said(
    'No es un archivo zip',
    'El archivo no es un zip, o está dañado o incompleto.',
    'Envíe el paquete como archivo zip, tal como se descarga de aquí.',
  ),
  'input:archive_refused': said(
    'Archivo comprimido rechazado',
    'El archivo comprimido contiene lo que un paquete de modelo no puede contener: un enlace, una ruta fuera de él, un nombre repetido, una entrada cifrada o archivos que su manifiesto no enumera.',
    'Cree de nuevo el archivo comprimido con la carpeta del paquete y nada más.',
  ),
  'input:package_in_service': said(
    'Paquete en servicio',
    'El paquete está en servicio, o funciona como candidato, así que no se puede archivar.',
    'Ponga antes otro paquete en su lugar; el detalle nombra los despliegues.',
  ),
  'input:reason_missing': said(
    'Falta el motivo',
    'Un cambio de un despliegue necesita un motivo: el historial dice por qué.',
    'Indique un motivo de al menos cinco caracteres.',
  ),
  'input:no_previous_package': said(
    'No hay a qué revertir',
    'El despliegue no ha servido ningún otro paquete antes de este.',
    'Active un paquete en su lugar.',
  ),
  'input:already_candidate': said(
    'Ya está en servicio',
    'El paquete es el que está en servicio, así que no puede funcionar junto a sí mismo.',
    'Elija otro paquete como candidato.',
  ),
  'input:no_candidate': said(
    'No hay candidato',
    'Ningún candidato funciona junto al paquete en servicio.',
    'No hay nada que detener.',
  ),
  'input:request_decided': said(
    'Ya decidido',
    'La solicitud ya se decidió, se aplicó o se retiró.',
    'Haga una solicitud nueva.',
  ),
  'input:needs_second_person': said(
    'Hace falta una segunda persona',
    'Quien solicitó el cambio no puede aprobarlo.',
    'Pídalo a otro administrador.',
  ),
  'input:deployment_moved': said(
    'El despliegue ha cambiado',
    'El despliegue ya no sirve lo que servía cuando se solicitó el cambio.',
    'Mire qué está en servicio ahora y haga una solicitud nueva.',
  ),
  'input:export_too_large': said(
    'Demasiados para un archivo',
    'Los filtros dejan más trabajos de los que caben en un archivo.',
    'Limite los filtros, por ejemplo por fecha, y exporte las partes.',
  ),
  'input:too_many_views': said(
    'Demasiadas vistas guardadas',
    'Ya guarda tantas vistas como puede tener una persona.',
    'Elimine una que no use.',
  ),
  'input:view_name_taken': said(
    'Nombre ya usado',
    'Una de sus vistas ya tiene este nombre.',
    'Elija otro nombre o cambie esa vista.',
  ),
};
