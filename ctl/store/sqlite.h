// SQLite as this folder uses it: owners, and errors as exceptions that do not leave the folder.
#pragma once

#include <cstdint>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>

struct sqlite3;
struct sqlite3_stmt;

namespace fairlead::store {

class SqliteError : public std::runtime_error {
  public:
    SqliteError(int code, const std::string& message) : std::runtime_error(message), code_(code) {}
    // Whether the file is none of SQLite's, or damaged.
    [[nodiscard]] bool is_damage() const noexcept;
    [[nodiscard]] static SqliteError damage(const std::string& message);

  private:
    int code_;
};

class Database;

// One statement, with its parameters from 1 on and its columns from 0 on. Must not outlive the
// database.
class Statement {
  public:
    Statement(const Database& database, std::string_view sql);

    Statement& bind(int parameter, std::string_view text);
    Statement& bind(int parameter, std::int64_t number);
    // Whether there is a row.
    bool step();
    // To its end, and ready for other parameters.
    void run();

    [[nodiscard]] std::string text(int column) const;
    [[nodiscard]] std::int64_t number(int column) const;

  private:
    struct Finalize {
        void operator()(sqlite3_stmt* statement) const noexcept;
    };
    void check(int code) const;

    sqlite3* database_;
    std::unique_ptr<sqlite3_stmt, Finalize> statement_;
};

class Database {
  public:
    // Makes the file if it is not there.
    explicit Database(const std::string& path);

    void run(const char* sql) const;
    [[nodiscard]] std::int64_t number(std::string_view sql) const;
    // "ok", or what is damaged in the file.
    [[nodiscard]] std::string check() const;
    [[nodiscard]] sqlite3* handle() const noexcept { return handle_.get(); }

  private:
    struct Close {
        void operator()(sqlite3* database) const noexcept;
    };
    std::unique_ptr<sqlite3, Close> handle_;
};

// Rolled back at its end, unless it was committed.
class Transaction {
  public:
    explicit Transaction(const Database& database) : database_(database) {
        database_.run("BEGIN IMMEDIATE");
    }
    ~Transaction();
    Transaction(const Transaction&) = delete;
    Transaction& operator=(const Transaction&) = delete;

    void commit() {
        database_.run("COMMIT");
        is_over_ = true;
    }

  private:
    const Database& database_;
    bool is_over_ = false;
};

}  // namespace fairlead::store
