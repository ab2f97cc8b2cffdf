package nbd

// The numbers of the protocol, as NetworkBlockDevice/nbd doc/proto.md has
// them. All are sent in big-endian order.

const (
	magicServer     = 0x4e42444d41474943 // "NBDMAGIC"
	magicOption     = 0x49484156454f5054 // "IHAVEOPT"
	magicOptReply   = 0x0003e889045565a9
	magicRequest    = 0x25609513
	magicSimple     = 0x67446698
	magicStructured = 0x668e33ef
)

// Handshake flags, the same bits in the server's and the client's word.
const (
	flagFixedNewstyle = 1 << iota
	flagNoZeroes
)

type option uint32

const (
	optExportName      option = 1
	optAbort           option = 2
	optList            option = 3
	optStartTLS        option = 5
	optInfo            option = 6
	optGo              option = 7
	optStructuredReply option = 8
	optListMetaContext option = 9
	optSetMetaContext  option = 10
)

// Types of replies to options.
const (
	repAck         = 1
	repServer      = 2
	repInfo        = 3
	repMetaContext = 4

	repErrUnsup   = 1<<31 + 1
	repErrPolicy  = 1<<31 + 2
	repErrInvalid = 1<<31 + 3
	repErrTLSReqd = 1<<31 + 5
	repErrUnknown = 1<<31 + 6
	repErrTooBig  = 1<<31 + 9
)

// Kinds of information in a repInfo.
const (
	infoExport      = 0
	infoName        = 1
	infoDescription = 2
	infoBlockSize   = 3
)

// Transmission flags: what an export can do.
const (
	transHasFlags        = 1 << 0
	transReadOnly        = 1 << 1
	transSendFlush       = 1 << 2
	transSendFUA         = 1 << 3
	transSendTrim        = 1 << 5
	transSendWriteZeroes = 1 << 6
	transSendDF          = 1 << 7
	transCanMultiConn    = 1 << 8
	transSendCache       = 1 << 10
	transSendFastZero    = 1 << 11
)

type command uint16

const (
	cmdRead        command = 0
	cmdWrite       command = 1
	cmdDisconnect  command = 2
	cmdFlush       command = 3
	cmdTrim        command = 4
	cmdCache       command = 5
	cmdWriteZeroes command = 6
	cmdBlockStatus command = 7
)

// Flags of commands.
const (
	cmdFlagFUA      = 1 << 0
	cmdFlagNoHole   = 1 << 1
	cmdFlagDF       = 1 << 2
	cmdFlagReqOne   = 1 << 3
	cmdFlagFastZero = 1 << 4
)

// Types and flags of structured replies.
const (
	chunkNone        = 0
	chunkOffsetData  = 1
	chunkOffsetHole  = 2
	chunkBlockStatus = 5
	chunkError       = 1<<15 + 1
	chunkErrorOffset = 1<<15 + 2

	chunkDone = 1 << 0
)

// errno is an error as a client is told it.
type errno uint32

const (
	ePerm     errno = 1
	eIO       errno = 5
	eInval    errno = 22
	eNoSpace  errno = 28
	eNotSup   errno = 95
	eShutdown errno = 108
)

// Metadata contexts and the bits that they report.
const (
	contextAllocation = "base:allocation"
	contextDepth      = "qemu:allocation-depth"

	stateHole = 1 << 0
	stateZero = 1 << 1
)

const (
	requestSize    = 28 // bytes of a request's header
	simpleSize     = 16 // bytes of a simple reply's header
	chunkSize      = 20 // bytes of a structured reply's header
	optionSize     = 16 // bytes of an option's header
	maxString      = 4096
	maxOptionData  = 64 << 10
	maxPayload     = 32 << 20 // bytes that a request may carry or ask for, as in qemu
	preferredBlock = 4096
)
