#include "dp/shm/segment.h"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <utility>

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "dp/base/error_text.h"
#include "dp/shm/flows.h"
#include "dp/shm/missing_page.h"
#include "dp/shm/tables.h"
#include "dp/shm/telemetry.h"

namespace fairlead::shm {

const SegmentKind kTables{
    kTablesMagic, kTablesVersion, kTablesFingerprint, "tables", "lbd", "lbdp"};
const SegmentKind kTelemetry{
    kTelemetryMagic, kTelemetryVersion, kTelemetryFingerprint, "telemetry", "lbdp", "lbd"};
const SegmentKind kFlows{kFlowsMagic, kFlowsVersion, kFlowsFingerprint, "flows", "lbdp", "lbdp"};

namespace {

[[nodiscard]] std::string path_of(const SegmentKind& kind, const std::string& directory) {
    return directory + "/" + std::string(kind.name);
}

[[nodiscard]] struct flock whole_file(short type) {
    struct flock request {};
    request.l_type = type;
    request.l_whence = SEEK_SET;
    return request;
}

[[nodiscard]] Status check_header(const SegmentKind& kind,
                                  const std::string& path,
                                  const SegmentHeader& header,
                                  std::uint64_t file_bytes) {
    if (header.magic != kind.magic) {
        return fail(path + " is not a \"" + std::string(kind.name) + "\" segment; stop " +
                    std::string(kind.writer) + ", remove the file and start it again");
    }
    if (header.layout_version != kind.version || header.fingerprint != kind.fingerprint) {
        const bool file_is_older = header.layout_version < kind.version;
        return fail(
            path + " was made by " + std::string(kind.writer) + " " +
            std::string(header.writer.data(), strnlen(header.writer.data(), header.writer.size())) +
            " with layout " + std::to_string(header.layout_version) + "/" +
            std::to_string(header.fingerprint) + ", this program needs layout " +
            std::to_string(kind.version) + "/" + std::to_string(kind.fingerprint) + "; install " +
            std::string(file_is_older ? kind.writer : kind.reader) +
            " of the same version as its peer and restart it");
    }
    if (header.size_bytes != file_bytes) {
        return fail(path + " is " + std::to_string(file_bytes) + " bytes long, its header says " +
                    std::to_string(header.size_bytes) + "; stop " + std::string(kind.writer) +
                    ", remove the file and start it again");
    }
    return {};
}

enum class Round : bool {
    kDown,
    kUp
};

// "12 MB", or "132 KB" of what is less.
[[nodiscard]] std::string describe_bytes(std::uint64_t bytes, Round round) {
    constexpr std::uint64_t kKilobyte = 1024;
    constexpr std::uint64_t kMegabyte = kKilobyte * kKilobyte;
    const bool is_large = bytes >= kMegabyte;
    const std::uint64_t unit = is_large ? kMegabyte : kKilobyte;
    return std::to_string((bytes + (round == Round::kUp ? unit - 1 : 0)) / unit) +
           (is_large ? " MB" : " KB");
}

[[nodiscard]] std::string directory_of(const std::string& path) {
    return path.substr(0, path.rfind('/'));
}

// Of the file system that the file is on; 0 where it does not tell.
[[nodiscard]] std::uint64_t free_bytes_beside(const std::string& path) {
    struct statfs status {};
    return ::statfs(directory_of(path).c_str(), &status) == 0
               ? std::uint64_t{status.f_bavail} * static_cast<std::uint64_t>(status.f_bsize)
               : 0;
}

// What to say of a file that cannot get `bytes` more.
[[nodiscard]] Unexpected<Error> no_memory(const std::string& path,
                                          std::uint64_t bytes,
                                          std::uint64_t free_bytes,
                                          int error) {
    const std::string directory = directory_of(path);
    if (error == EOPNOTSUPP || error == ENOSYS) {
        return fail("the file system of " + directory +
                    " cannot set memory aside for a file (fallocate); put the run directory on a "
                    "tmpfs, as /run is");
    }
    const std::string needed = describe_bytes(bytes, Round::kUp);
    if (error != ENOSPC && error != EDQUOT) {
        return fail("cannot set " + needed + " aside for " + path + ": " + error_text(error));
    }
    return fail(directory + " has " + describe_bytes(free_bytes, Round::kDown) + " free, and " +
                path.substr(directory.size() + 1) + " needs " + needed +
                ": remove what else fills its file system, or make that larger (a tmpfs by "
                "`mount -o remount,size=...`)");
}

}  // namespace

Segment::~Segment() {
    if (is_open()) {
        forget_mapping(bytes_);
        ::munmap(bytes_.data(), bytes_.size());
    }
    if (!temporary_name_.empty()) {
        ::unlink(temporary_name_.c_str());
    }
}

Segment::Segment(Segment&& other) noexcept
    : file_(std::move(other.file_)),
      bytes_(std::exchange(other.bytes_, {})),
      path_(std::move(other.path_)),
      temporary_name_(std::exchange(other.temporary_name_, {})) {}

Segment& Segment::operator=(Segment&& other) noexcept {
    std::swap(file_, other.file_);
    std::swap(bytes_, other.bytes_);
    std::swap(path_, other.path_);
    std::swap(temporary_name_, other.temporary_name_);
    return *this;
}

Result<Segment> Segment::open(const SegmentKind& kind,
                              const std::string& directory,
                              bool for_writing) {
    const std::string path = path_of(kind, directory);
    Segment segment;
    segment.file_ = Descriptor(::open(path.c_str(), (for_writing ? O_RDWR : O_RDONLY) | O_CLOEXEC));
    if (!segment.file_.is_open()) {
        const int error = errno;
        return fail("cannot open " + path + ": " + error_text(error) +
                    (error == ENOENT ? "; start " + std::string(kind.writer) +
                                           " with the same --run-dir, which makes it"
                                     : ""));
    }
    struct stat status {};
    if (::fstat(segment.file_.get(), &status) != 0) {
        return fail("cannot read the size of " + path + ": " + error_text(errno));
    }
    const auto file_bytes = static_cast<std::uint64_t>(status.st_size);
    SegmentHeader header;
    if (::pread(segment.file_.get(), &header, sizeof header, 0) !=
        static_cast<ssize_t>(sizeof header)) {
        return fail(path + " is too short for a segment; stop " + std::string(kind.writer) +
                    ", remove the file and start it again");
    }
    if (Status fits = check_header(kind, path, header, file_bytes); !fits) {
        return Unexpected{fits.error()};
    }
    if (for_writing) {
        if (Status locked = segment.lock(kind); !locked) {
            return Unexpected{locked.error()};
        }
    }
    segment.path_ = path;
    if (Status mapped = segment.map(file_bytes, for_writing); !mapped) {
        return Unexpected{mapped.error()};
    }
    return segment;
}

Status Segment::map(std::uint64_t file_bytes, bool for_writing) {
    struct stat status {};
    if (::fstat(file_.get(), &status) != 0) {
        return fail("cannot read the page size of " + path_ + ": " + error_text(errno));
    }
    void* const start = ::mmap(nullptr,
                               file_bytes,
                               for_writing ? PROT_READ | PROT_WRITE : PROT_READ,
                               MAP_SHARED,
                               file_.get(),
                               0);
    if (start == MAP_FAILED) {
        return fail("cannot map " + path_ + ": " + error_text(errno));
    }
    bytes_ = std::span(static_cast<std::byte*>(start), file_bytes);
    watch_mapping(bytes_, static_cast<std::size_t>(status.st_blksize));
    return {};
}

Status Segment::allocate(std::initializer_list<Range> ranges) const {
    std::uint64_t total = 0;
    for (const Range& range : ranges) {
        total += range.bytes;
    }
    const std::uint64_t free_before = free_bytes_beside(path_);
    for (const Range& range : ranges) {
        int failed = 0;
        do {  // a signal interrupts it, and what it has done so far is undone
            failed = range.bytes == 0 ? 0
                                      : ::fallocate(file_.get(),
                                                    FALLOC_FL_KEEP_SIZE,
                                                    static_cast<off_t>(range.offset),
                                                    static_cast<off_t>(range.bytes));
        } while (failed != 0 && errno == EINTR);
        if (failed != 0) {
            return no_memory(path_, total, free_before, errno);
        }
    }
    return {};
}

Result<Segment> Segment::open_read_only(const SegmentKind& kind, const std::string& directory) {
    return open(kind, directory, false);
}

Result<Segment> Segment::open_writer(const SegmentKind& kind, const std::string& directory) {
    return open(kind, directory, true);
}

Result<Segment> Segment::create_unnamed(const SegmentKind& kind,
                                        const std::string& directory,
                                        const SegmentSize& size,
                                        std::string_view version) {
    Segment segment;
    std::string temporary = path_of(kind, directory) + ".XXXXXX";
    segment.file_ = Descriptor(::mkostemp(temporary.data(), O_CLOEXEC));
    if (!segment.file_.is_open()) {
        return fail("cannot make a file in " + directory + ": " + error_text(errno) +
                    "; the directory must exist and be writable by " + std::string(kind.writer));
    }
    segment.temporary_name_ = temporary;
    segment.path_ = path_of(kind, directory);
    if (Status locked = segment.lock(kind); !locked) {
        return Unexpected{locked.error()};
    }
    if (::fchmod(segment.file_.get(), 0644) != 0 ||
        ::ftruncate(segment.file_.get(), static_cast<off_t>(size.total_bytes)) != 0) {
        return fail("cannot make " + temporary + " " + std::to_string(size.total_bytes) +
                    " bytes long: " + error_text(errno));
    }
    if (Status there = segment.allocate(0, size.allocated_bytes); !there) {
        return Unexpected{there.error()};
    }
    if (Status mapped = segment.map(size.total_bytes, true); !mapped) {
        return Unexpected{mapped.error()};
    }

    SegmentHeader header;
    header.magic = kind.magic;
    header.layout_version = kind.version;
    header.fingerprint = kind.fingerprint;
    header.size_bytes = size.total_bytes;
    while (header.instance == 0) {
        if (::getrandom(&header.instance, sizeof header.instance, 0) < 0) {
            return fail("cannot get random bytes: " + error_text(errno));
        }
    }
    std::copy_n(
        version.begin(), std::min(version.size(), header.writer.size() - 1), header.writer.begin());
    std::memcpy(segment.bytes_.data(), &header, sizeof header);
    return segment;
}

Status Segment::give_name(const SegmentKind& kind, const std::string& directory) {
    const std::string path = path_of(kind, directory);
    if (::renameat2(AT_FDCWD, temporary_name_.c_str(), AT_FDCWD, path.c_str(), RENAME_NOREPLACE) !=
        0) {
        return fail("cannot rename " + temporary_name_ + " to " + path + ": " + error_text(errno) +
                    (errno == EEXIST ? "; another " + std::string(kind.writer) +
                                           " has just started on this run directory"
                                     : ""));
    }
    temporary_name_.clear();
    return {};
}

Status Segment::lock(const SegmentKind& kind) const {
    struct flock request = whole_file(F_WRLCK);
    if (::fcntl(file_.get(), F_OFD_SETLK, &request) == 0) {
        return {};
    }
    if (errno == EAGAIN || errno == EACCES) {
        return fail("another " + std::string(kind.writer) +
                    " runs on this run directory: it holds the lock on \"" +
                    std::string(kind.name) +
                    "\"; stop it first, or give this one its own --run-dir");
    }
    return fail("cannot lock \"" + std::string(kind.name) + "\": " + error_text(errno));
}

Status Segment::remove(const SegmentKind& kind, const std::string& directory) {
    const std::string path = path_of(kind, directory);
    if (::unlink(path.c_str()) != 0 && errno != ENOENT) {
        return fail("cannot remove " + path + ": " + error_text(errno));
    }
    return {};
}

bool Segment::exists(const SegmentKind& kind, const std::string& directory) {
    return ::access(path_of(kind, directory).c_str(), F_OK) == 0;
}

bool Segment::has_other_layout(const SegmentKind& kind, const std::string& directory) {
    const Descriptor file(::open(path_of(kind, directory).c_str(), O_RDONLY | O_CLOEXEC));
    SegmentHeader header;
    return file.is_open() &&
           ::pread(file.get(), &header, sizeof header, 0) == static_cast<ssize_t>(sizeof header) &&
           header.magic == kind.magic &&
           (header.layout_version != kind.version || header.fingerprint != kind.fingerprint);
}

bool Segment::is_locked(const SegmentKind& kind, const std::string& directory) {
    Segment file;
    file.file_ = Descriptor(::open(path_of(kind, directory).c_str(), O_RDONLY | O_CLOEXEC));
    return file.file_.is_open() && file.writer_lives();
}

bool Segment::writer_lives() const {
    struct flock request = whole_file(F_RDLCK);
    return ::fcntl(file_.get(), F_OFD_GETLK, &request) == 0 && request.l_type != F_UNLCK;
}

bool Segment::is_whole() const {
    struct stat mapped {};
    return ::fstat(file_.get(), &mapped) == 0 &&
           static_cast<std::uint64_t>(mapped.st_size) >= bytes_.size();
}

bool Segment::is_current(const SegmentKind& kind, const std::string& directory) const {
    struct stat mapped {};
    struct stat named {};
    return ::fstat(file_.get(), &mapped) == 0 &&
           ::stat(path_of(kind, directory).c_str(), &named) == 0 && mapped.st_dev == named.st_dev &&
           mapped.st_ino == named.st_ino && is_whole();
}

}  // namespace fairlead::shm
