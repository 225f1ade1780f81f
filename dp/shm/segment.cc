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
#include <unistd.h>

#include "dp/base/error_text.h"
#include "dp/shm/flows.h"
#include "dp/shm/tables.h"
#include "dp/shm/telemetry.h"

namespace fairlead::shm {

const SegmentKind kTables{kTablesMagic, kTablesFingerprint, "tables", "lbd", "lbdp"};
const SegmentKind kTelemetry{kTelemetryMagic, kTelemetryFingerprint, "telemetry", "lbdp", "lbd"};
const SegmentKind kFlows{kFlowsMagic, kFlowsFingerprint, "flows", "lbdp", "lbdp"};

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
    if (header.layout_version != kLayoutVersion || header.fingerprint != kind.fingerprint) {
        const bool file_is_older = header.layout_version < kLayoutVersion;
        return fail(
            path + " was made by " + std::string(kind.writer) + " " +
            std::string(header.writer.data(), strnlen(header.writer.data(), header.writer.size())) +
            " with layout " + std::to_string(header.layout_version) + "/" +
            std::to_string(header.fingerprint) + ", this program needs layout " +
            std::to_string(kLayoutVersion) + "/" + std::to_string(kind.fingerprint) + "; install " +
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

}  // namespace

Segment::~Segment() {
    if (is_open()) {
        ::munmap(bytes_.data(), bytes_.size());
    }
    if (!temporary_name_.empty()) {
        ::unlink(temporary_name_.c_str());
    }
}

Segment::Segment(Segment&& other) noexcept
    : file_(std::move(other.file_)),
      bytes_(std::exchange(other.bytes_, {})),
      temporary_name_(std::exchange(other.temporary_name_, {})) {}

Segment& Segment::operator=(Segment&& other) noexcept {
    std::swap(file_, other.file_);
    std::swap(bytes_, other.bytes_);
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
    void* const start = ::mmap(nullptr,
                               file_bytes,
                               for_writing ? PROT_READ | PROT_WRITE : PROT_READ,
                               MAP_SHARED,
                               segment.file_.get(),
                               0);
    if (start == MAP_FAILED) {
        return fail("cannot map " + path + ": " + error_text(errno));
    }
    segment.bytes_ = std::span(static_cast<std::byte*>(start), file_bytes);
    return segment;
}

Result<Segment> Segment::open_read_only(const SegmentKind& kind, const std::string& directory) {
    return open(kind, directory, false);
}

Result<Segment> Segment::open_writer(const SegmentKind& kind, const std::string& directory) {
    return open(kind, directory, true);
}

Result<Segment> Segment::create_unnamed(const SegmentKind& kind,
                                        const std::string& directory,
                                        std::uint64_t size_bytes,
                                        std::string_view version) {
    Segment segment;
    std::string temporary = path_of(kind, directory) + ".XXXXXX";
    segment.file_ = Descriptor(::mkostemp(temporary.data(), O_CLOEXEC));
    if (!segment.file_.is_open()) {
        return fail("cannot make a file in " + directory + ": " + error_text(errno) +
                    "; the directory must exist and be writable by " + std::string(kind.writer));
    }
    segment.temporary_name_ = temporary;
    if (Status locked = segment.lock(kind); !locked) {
        return Unexpected{locked.error()};
    }
    if (::fchmod(segment.file_.get(), 0644) != 0 ||
        ::ftruncate(segment.file_.get(), static_cast<off_t>(size_bytes)) != 0) {
        return fail("cannot make " + temporary + " " + std::to_string(size_bytes) +
                    " bytes long: " + error_text(errno));
    }
    void* const start =
        ::mmap(nullptr, size_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, segment.file_.get(), 0);
    if (start == MAP_FAILED) {
        return fail("cannot map " + temporary + ": " + error_text(errno));
    }
    segment.bytes_ = std::span(static_cast<std::byte*>(start), size_bytes);

    SegmentHeader header;
    header.magic = kind.magic;
    header.fingerprint = kind.fingerprint;
    header.size_bytes = size_bytes;
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

bool Segment::is_locked(const SegmentKind& kind, const std::string& directory) {
    Segment file;
    file.file_ = Descriptor(::open(path_of(kind, directory).c_str(), O_RDONLY | O_CLOEXEC));
    return file.file_.is_open() && file.writer_lives();
}

bool Segment::writer_lives() const {
    struct flock request = whole_file(F_RDLCK);
    return ::fcntl(file_.get(), F_OFD_GETLK, &request) == 0 && request.l_type != F_UNLCK;
}

bool Segment::is_current(const SegmentKind& kind, const std::string& directory) const {
    struct stat mapped {};
    struct stat named {};
    return ::fstat(file_.get(), &mapped) == 0 &&
           ::stat(path_of(kind, directory).c_str(), &named) == 0 && mapped.st_dev == named.st_dev &&
           mapped.st_ino == named.st_ino;
}

}  // namespace fairlead::shm
