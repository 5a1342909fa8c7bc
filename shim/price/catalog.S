/* LG_CATALOG: the file that tools/mkimage.c wrote. */
	.section .rodata
	.balign 64
	.globl lg_catalog_image
	.hidden lg_catalog_image
	.type lg_catalog_image, %object
lg_catalog_image:
	.incbin LG_CATALOG
.Lend:
	.size lg_catalog_image, .Lend - lg_catalog_image
	.balign 8
	.globl lg_catalog_image_size
	.hidden lg_catalog_image_size
	.type lg_catalog_image_size, %object
lg_catalog_image_size:
	.8byte .Lend - lg_catalog_image
	.size lg_catalog_image_size, 8
	.section .note.GNU-stack,"",%progbits
