#include "ctl/store/sqlite.h"

#include <sqlite3.h>

#include "dp/base/error_text.h"

namespace fairlead::store {
namespace {

[[noreturn]] void raise(sqlite3* database, int code) {
    const int extended = database == nullptr ? code : ::sqlite3_extended_errcode(database);
    std::string message = database == nullptr ? ::sqlite3_errstr(code) : ::sqlite3_errmsg(database);
    if (const int error = database == nullptr ? 0 : ::sqlite3_system_errno(database); error != 0) {
        message += " (" + error_text(error) + ")";
    }
    throw SqliteError(extended, message);
}

}  // namespace

bool SqliteError::is_damage() const noexcept {
    const int primary = code_ & 0xFF;
    return primary == SQLITE_CORRUPT || primary == SQLITE_NOTADB;
}

SqliteError SqliteError::damage(const std::string& message) {
    return {SQLITE_CORRUPT, message};
}

void Database::Close::operator()(sqlite3* database) const noexcept {
    ::sqlite3_close_v2(database);
}

Database::Database(const std::string& path) {
    sqlite3* opened = nullptr;
    const int code = ::sqlite3_open_v2(
        path.c_str(),
        &opened,
        SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_NOFOLLOW,
        nullptr);
    handle_.reset(opened);
    if (code != SQLITE_OK) {
        raise(opened, code);
    }
}

void Database::run(const char* sql) const {
    if (const int code = ::sqlite3_exec(handle_.get(), sql, nullptr, nullptr, nullptr);
        code != SQLITE_OK) {
        raise(handle_.get(), code);
    }
}

std::int64_t Database::number(std::string_view sql) const {
    Statement statement(*this, sql);
    return statement.step() ? statement.number(0) : 0;
}

std::string Database::check() const {
    Statement statement(*this, "PRAGMA quick_check(1)");
    return statement.step() ? statement.text(0) : "";
}

void Statement::Finalize::operator()(sqlite3_stmt* statement) const noexcept {
    ::sqlite3_finalize(statement);
}

Statement::Statement(const Database& database, std::string_view sql)
    : database_(database.handle()) {
    sqlite3_stmt* made = nullptr;
    check(
        ::sqlite3_prepare_v2(database_, sql.data(), static_cast<int>(sql.size()), &made, nullptr));
    statement_.reset(made);
}

void Statement::check(int code) const {
    if (code != SQLITE_OK) {
        raise(database_, code);
    }
}

Statement& Statement::bind(int parameter, std::string_view text) {
    check(::sqlite3_bind_text64(statement_.get(),
                                parameter,
                                text.data(),
                                text.size(),
                                SQLITE_TRANSIENT,  // NOLINT: the C header's cast
                                SQLITE_UTF8));
    return *this;
}

Statement& Statement::bind(int parameter, std::int64_t number) {
    check(::sqlite3_bind_int64(statement_.get(), parameter, number));
    return *this;
}

bool Statement::step() {
    const int code = ::sqlite3_step(statement_.get());
    if (code != SQLITE_ROW && code != SQLITE_DONE) {
        raise(database_, code);
    }
    return code == SQLITE_ROW;
}

void Statement::run() {
    while (step()) {
    }
    check(::sqlite3_reset(statement_.get()));
}

std::string Statement::text(int column) const {
    const auto* const text = ::sqlite3_column_text(statement_.get(), column);
    const auto bytes = static_cast<std::size_t>(::sqlite3_column_bytes(statement_.get(), column));
    return text == nullptr ? std::string()
                           : std::string(reinterpret_cast<const char*>(text), bytes);
}

std::int64_t Statement::number(int column) const {
    return ::sqlite3_column_int64(statement_.get(), column);
}

Transaction::~Transaction() {
    if (!is_over_) {
        // After some failures SQLite has rolled back by itself, and says so here.
        ::sqlite3_exec(database_.handle(), "ROLLBACK", nullptr, nullptr, nullptr);
    }
}

}  // namespace fairlead::store
