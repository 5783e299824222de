/**
 * Constants of `linux/ublk_cmd.h` (and the integrity part of `linux/fs.h`, and zones of `linux/blkzoned.h`), kernel 7.2.12, under the kernel's
 * own names.
 *
 * Derived from the header; checked against the golden table of the tests. Do not edit by hand.
 *
 * @module
 */

export const UBLK_CMD_GET_QUEUE_AFFINITY = 1;
export const UBLK_CMD_GET_DEV_INFO = 2;
export const UBLK_CMD_ADD_DEV = 4;
export const UBLK_CMD_DEL_DEV = 5;
export const UBLK_CMD_START_DEV = 6;
export const UBLK_CMD_STOP_DEV = 7;
export const UBLK_CMD_SET_PARAMS = 8;
export const UBLK_CMD_GET_PARAMS = 9;
export const UBLK_CMD_START_USER_RECOVERY = 0x10;
export const UBLK_CMD_END_USER_RECOVERY = 0x11;
export const UBLK_CMD_GET_DEV_INFO2 = 0x12;

export const UBLK_U_CMD_GET_QUEUE_AFFINITY = 0x80207501;
export const UBLK_U_CMD_GET_DEV_INFO = 0x80207502;
export const UBLK_U_CMD_ADD_DEV = 0xc0207504;
export const UBLK_U_CMD_DEL_DEV = 0xc0207505;
export const UBLK_U_CMD_START_DEV = 0xc0207506;
export const UBLK_U_CMD_STOP_DEV = 0xc0207507;
export const UBLK_U_CMD_SET_PARAMS = 0xc0207508;
export const UBLK_U_CMD_GET_PARAMS = 0x80207509;
export const UBLK_U_CMD_START_USER_RECOVERY = 0xc0207510;
export const UBLK_U_CMD_END_USER_RECOVERY = 0xc0207511;
export const UBLK_U_CMD_GET_DEV_INFO2 = 0x80207512;
export const UBLK_U_CMD_GET_FEATURES = 0x80207513;
export const UBLK_U_CMD_DEL_DEV_ASYNC = 0x80207514;
export const UBLK_U_CMD_UPDATE_SIZE = 0xc0207515;
export const UBLK_U_CMD_QUIESCE_DEV = 0xc0207516;
export const UBLK_U_CMD_TRY_STOP_DEV = 0xc0207517;
export const UBLK_U_CMD_REG_BUF = 0xc0207518;
export const UBLK_U_CMD_UNREG_BUF = 0xc0207519;

export const UBLK_SHMEM_BUF_READ_ONLY = 1;

export const UBLK_FEATURES_LEN = 8;

export const UBLK_IO_FETCH_REQ = 0x20;
export const UBLK_IO_COMMIT_AND_FETCH_REQ = 0x21;
export const UBLK_IO_NEED_GET_DATA = 0x22;

export const UBLK_U_IO_FETCH_REQ = 0xc0107520;
export const UBLK_U_IO_COMMIT_AND_FETCH_REQ = 0xc0107521;
export const UBLK_U_IO_NEED_GET_DATA = 0xc0107522;
export const UBLK_U_IO_REGISTER_IO_BUF = 0xc0107523;
export const UBLK_U_IO_UNREGISTER_IO_BUF = 0xc0107524;
export const UBLK_U_IO_PREP_IO_CMDS = 0xc0107525;
export const UBLK_U_IO_COMMIT_IO_CMDS = 0xc0107526;
export const UBLK_U_IO_FETCH_IO_CMDS = 0xc0107527;

export const UBLK_IO_RES_OK = 0;
export const UBLK_IO_RES_NEED_GET_DATA = 1;
export const UBLK_IO_RES_ABORT = -19;

export const UBLKSRV_CMD_BUF_OFFSET = 0;

export const UBLKSRV_IO_BUF_OFFSET = 0x80000000;

export const UBLK_MAX_QUEUE_DEPTH = 0x1000;

export const UBLK_IO_BUF_OFF = 0;
export const UBLK_IO_BUF_BITS = 0x19;
export const UBLK_IO_BUF_BITS_MASK = 0x1ffffff;

export const UBLK_TAG_OFF = 0x19;
export const UBLK_TAG_BITS = 0x10;
export const UBLK_TAG_BITS_MASK = 0xffff;

export const UBLK_QID_OFF = 0x29;
export const UBLK_QID_BITS = 0xc;
export const UBLK_QID_BITS_MASK = 0xfff;

export const UBLK_MAX_NR_QUEUES = 0x1000;

export const UBLKSRV_IO_BUF_TOTAL_BITS = 0x35;
export const UBLKSRV_IO_BUF_TOTAL_SIZE = 0x20000000000000;

export const UBLK_INTEGRITY_FLAG_OFF = 0x3e;

export const UBLKSRV_IO_INTEGRITY_FLAG = 0x4000000000000000n;

export const UBLK_F_SUPPORT_ZERO_COPY = 1;
export const UBLK_F_URING_CMD_COMP_IN_TASK = 2;
export const UBLK_F_NEED_GET_DATA = 4;
export const UBLK_F_USER_RECOVERY = 8;
export const UBLK_F_USER_RECOVERY_REISSUE = 0x10;
export const UBLK_F_UNPRIVILEGED_DEV = 0x20;
export const UBLK_F_CMD_IOCTL_ENCODE = 0x40;
export const UBLK_F_USER_COPY = 0x80;
export const UBLK_F_ZONED = 0x100;
export const UBLK_F_USER_RECOVERY_FAIL_IO = 0x200;
export const UBLK_F_UPDATE_SIZE = 0x400;
export const UBLK_F_AUTO_BUF_REG = 0x800;
export const UBLK_F_QUIESCE = 0x1000;
export const UBLK_F_PER_IO_DAEMON = 0x2000;
export const UBLK_F_BUF_REG_OFF_DAEMON = 0x4000;
export const UBLK_F_BATCH_IO = 0x8000;
export const UBLK_F_INTEGRITY = 0x10000;
export const UBLK_F_SAFE_STOP_DEV = 0x20000;
export const UBLK_F_NO_AUTO_PART_SCAN = 0x40000;
export const UBLK_F_SHMEM_ZC = 0x80000;

export const UBLK_S_DEV_DEAD = 0;
export const UBLK_S_DEV_LIVE = 1;
export const UBLK_S_DEV_QUIESCED = 2;
export const UBLK_S_DEV_FAIL_IO = 3;

export const UBLK_IO_OP_READ = 0;
export const UBLK_IO_OP_WRITE = 1;
export const UBLK_IO_OP_FLUSH = 2;
export const UBLK_IO_OP_DISCARD = 3;
export const UBLK_IO_OP_WRITE_SAME = 4;
export const UBLK_IO_OP_WRITE_ZEROES = 5;
export const UBLK_IO_OP_ZONE_OPEN = 0xa;
export const UBLK_IO_OP_ZONE_CLOSE = 0xb;
export const UBLK_IO_OP_ZONE_FINISH = 0xc;
export const UBLK_IO_OP_ZONE_APPEND = 0xd;
export const UBLK_IO_OP_ZONE_RESET_ALL = 0xe;
export const UBLK_IO_OP_ZONE_RESET = 0xf;
export const UBLK_IO_OP_REPORT_ZONES = 0x12;
export const UBLK_IO_F_FAILFAST_DEV = 0x100;
export const UBLK_IO_F_FAILFAST_TRANSPORT = 0x200;
export const UBLK_IO_F_FAILFAST_DRIVER = 0x400;
export const UBLK_IO_F_META = 0x800;
export const UBLK_IO_F_FUA = 0x2000;
export const UBLK_IO_F_NOUNMAP = 0x8000;
export const UBLK_IO_F_SWAP = 0x10000;
export const UBLK_IO_F_NEED_REG_BUF = 0x20000;
export const UBLK_IO_F_INTEGRITY = 0x40000;
export const UBLK_IO_F_SHMEM_ZC = 0x80000;

export const UBLK_AUTO_BUF_REG_FALLBACK = 1;
export const UBLK_AUTO_BUF_REG_F_MASK = 1;

export const UBLK_BATCH_F_HAS_ZONE_LBA = 1;
export const UBLK_BATCH_F_HAS_BUF_ADDR = 2;
export const UBLK_BATCH_F_AUTO_BUF_REG_FALLBACK = 4;

export const UBLK_ATTR_READ_ONLY = 1;
export const UBLK_ATTR_ROTATIONAL = 2;
export const UBLK_ATTR_VOLATILE_CACHE = 4;
export const UBLK_ATTR_FUA = 8;

export const UBLK_MIN_SEGMENT_SIZE = 0x1000;

export const UBLK_PARAM_TYPE_BASIC = 1;
export const UBLK_PARAM_TYPE_DISCARD = 2;
export const UBLK_PARAM_TYPE_DEVT = 4;
export const UBLK_PARAM_TYPE_ZONED = 8;
export const UBLK_PARAM_TYPE_DMA_ALIGN = 0x10;
export const UBLK_PARAM_TYPE_SEGMENT = 0x20;
export const UBLK_PARAM_TYPE_INTEGRITY = 0x40;

export const UBLK_SHMEM_ZC_OFF_MASK = 0xffffffff;
export const UBLK_SHMEM_ZC_IDX_OFF = 0x20;
export const UBLK_SHMEM_ZC_IDX_MASK = 0xffff;

export const LBMD_PI_CAP_INTEGRITY = 1;
export const LBMD_PI_CAP_REFTAG = 2;
export const LBMD_PI_CSUM_NONE = 0;
export const LBMD_PI_CSUM_IP = 1;
export const LBMD_PI_CSUM_CRC16_T10DIF = 2;
export const LBMD_PI_CSUM_CRC64_NVME = 4;

export const BLK_ZONE_TYPE_CONVENTIONAL = 1;
export const BLK_ZONE_TYPE_SEQWRITE_REQ = 2;
export const BLK_ZONE_COND_NOT_WP = 0;
export const BLK_ZONE_COND_EMPTY = 1;
export const BLK_ZONE_COND_IMP_OPEN = 2;
export const BLK_ZONE_COND_EXP_OPEN = 3;
export const BLK_ZONE_COND_CLOSED = 4;
export const BLK_ZONE_COND_READONLY = 0xd;
export const BLK_ZONE_COND_FULL = 0xe;
export const BLK_ZONE_COND_OFFLINE = 0xf;
