/* SPDX-License-Identifier: MIT
 *
 * The part of the ublk protocol that the floor servers speak (names as in linux/ublk_cmd.h, layout of Linux 7.2).
 */
#ifndef FLOOR_UBLK_H
#define FLOOR_UBLK_H

#include <stdint.h>

#define CMD_ADD_DEV 0xc0207504u
#define CMD_DEL_DEV 0xc0207505u
#define CMD_START_DEV 0xc0207506u
#define CMD_STOP_DEV 0xc0207507u
#define CMD_SET_PARAMS 0xc0207508u
#define IO_FETCH 0xc0107520u
#define IO_COMMIT_AND_FETCH 0xc0107521u
#define IO_REGISTER_IO_BUF 0xc0107523u
#define IO_UNREGISTER_IO_BUF 0xc0107524u
#define IO_PREP_IO_CMDS 0xc0107525u
#define IO_COMMIT_IO_CMDS 0xc0107526u
#define IO_FETCH_IO_CMDS 0xc0107527u

#define F_SUPPORT_ZERO_COPY 0x1u
#define F_CMD_IOCTL_ENCODE 0x40u
#define F_USER_COPY 0x80u
#define F_AUTO_BUF_REG 0x800u
#define F_BATCH_IO 0x8000u
#define AUTO_BUF_REG_FALLBACK (1u << 16) /* in the SQE's addr, above the slot */
#define BATCH_HAS_BUF_ADDR 2u
#define BATCH_AUTO_BUF_REG_FALLBACK 4u

#define OP_READ_BLOCKS 0
#define OP_WRITE_BLOCKS 1

#define OP_FLUSH_CACHE 2
#define IO_F_NEED_REG_BUF 0x20000u /* AUTO_BUF_REG failed */
#define ATTR_VOLATILE_CACHE 4u

/* Where a request's data is in the char device, with F_USER_COPY. */
#define IO_BUF_OFFSET 0x80000000u
#define TAG_OFF 25
#define QID_OFF 41

/* One queue's descriptors lie at a multiple of this, whatever its depth. */
#define DESCRIPTOR_STRIDE 0x18000u

struct ctrl_cmd {
	uint32_t dev_id;
	uint16_t queue_id, len;
	uint64_t addr, data;
	uint16_t dev_path_len, pad;
	uint32_t reserved;
};

struct dev_info {
	uint16_t queues, depth, state, pad0;
	uint32_t max_io_bytes, dev_id;
	int32_t pid;
	uint32_t pad1;
	uint64_t flags, server_flags;
	uint32_t uid, gid;
	uint64_t reserved[2];
};

struct io_desc {
	uint32_t op_flags, sectors;
	uint64_t start, addr;
};

/* The head of ublk_params: only BASIC (type 1) is used. The kernel's struct is longer; a shorter one is allowed. */
struct params {
	uint32_t len, types;
	uint32_t attrs;
	uint8_t logical_shift, physical_shift, io_opt_shift, io_min_shift;
	uint32_t max_sectors, chunk_sectors;
	uint64_t dev_sectors, virt_boundary_mask;
};

/* At byte 48 of the SQE. */
struct io_cmd {
	uint16_t q_id, tag;
	int32_t result;
	uint64_t addr;
};

/* At the same place in the commands of a batch, which point to elements: 8 bytes, or 16 with the address of a tag's buffer. */
struct batch_io {
	uint16_t q_id, flags, nr_elem;
	uint8_t elem_bytes, reserved;
	uint64_t reserved2;
};

struct elem_header {
	uint16_t tag, buf_index;
	int32_t result;
};

_Static_assert(sizeof(struct ctrl_cmd) == 32, "ublksrv_ctrl_cmd");
_Static_assert(sizeof(struct dev_info) == 64, "ublksrv_ctrl_dev_info");
_Static_assert(sizeof(struct io_desc) == 24, "ublksrv_io_desc");
_Static_assert(sizeof(struct params) == 40, "head of ublk_params");
_Static_assert(sizeof(struct io_cmd) == 16, "ublksrv_io_cmd");
_Static_assert(sizeof(struct batch_io) == 16, "ublk_batch_io");
_Static_assert(sizeof(struct elem_header) == 8, "ublk_elem_header");

#endif
